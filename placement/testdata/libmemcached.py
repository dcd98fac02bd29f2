# Asks libmemcached itself, without network, which server holds a key. Reads a list of cases from standard input, in
# JSON, and prints a list of indexes for each.
import ctypes
import json
import sys

lib = ctypes.CDLL("libmemcached.so.11")
lib.memcached_create.restype = ctypes.c_void_p
lib.memcached_generate_hash.restype = ctypes.c_uint32


def must(code):
    if code != 0:
        sys.exit("libmemcached returned %d" % code)


def add(client, host, port, weight):
    weight = ctypes.c_uint32(weight)
    if host.startswith("/"):
        return lib.memcached_server_add_unix_socket_with_weight(client, host.encode(), weight)
    return lib.memcached_server_add_with_weight(client, host.encode(), ctypes.c_uint16(port), weight)


def places(case):
    client = ctypes.c_void_p(lib.memcached_create(None))
    for flag, value in case["Behaviors"] or []:
        must(lib.memcached_behavior_set(client, ctypes.c_int(flag), ctypes.c_uint64(value)))
    for server in case["Servers"]:
        must(add(client, server["Host"], server["Port"], server["Weight"]))
    keys = [bytes.fromhex(key) for key in case["Keys"]]
    nodes = [lib.memcached_generate_hash(client, key, ctypes.c_size_t(len(key))) for key in keys]
    lib.memcached_free(client)
    return nodes


print(json.dumps([places(case) for case in json.load(sys.stdin)]))
