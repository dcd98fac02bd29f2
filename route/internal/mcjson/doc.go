// Package mcjson answers: what does a configuration file in mcrouter's JSON say, and where does each part of it stand?
//
// Parse reads the text, Expand works out its macros, and what remains is a tree of values that know their places:
//
//	config, err := mcjson.Parse(data, "mcrouter.json")
//	config, err = mcjson.Expand(config, mcjson.Options{Import: mcjson.ImportFrom("/etc/mcrouter")})
//	pools := config.Get("pools")
//	return pools.Errorf("there is no pool") // mcrouter.json:3:12: there is no pool
//
// # The JSON
//
// As in mcrouter, which reads its files with folly: comments as in C (// and /* */, not #), a comma after the last element,
// and control characters other than NUL inside strings. A number without fraction and exponent is an int and must fit 64
// bits; any other is a float. Ours refuses what mcrouter lets pass although it can only be a mistake: a key given twice
// (there the last one wins in silence), text that is not UTF-8, numbers with leading zeros, NaN and Infinity, a comment
// that is not closed before the configuration is complete, and a comment inside a word.
//
// # The macros
//
// JSONM, as the wiki of mcrouter describes it (https://github.com/facebook/mcrouter/wiki/JSONM) and as
// mcrouter/lib/config/ConfigPreprocessor.cpp runs it. The member "macros" of the configuration, an object or a list of
// objects, defines macros and constants; Expand takes it out:
//
//	"macros": {
//	  "local": {"type": "constDef", "result": "10.0.0.1:11211"},
//	  "pool":  {"type": "macroDef", "params": ["a", {"name": "b", "default": []}], "result": {"servers": "%a%"}}
//	}
//
// "@pool(x,y)" and {"type": "pool", "a": "x", "b": "y"} call a macro, "%local%" stands for a parameter, variable or constant: of
// any type if it is the whole string, else a string. An object with a member "vars" has variables of its own, for itself and
// what is inside it. A backslash takes the meaning off @ % ( ) , and \ and is written twice, since JSON has its own: "\\@".
// A default is taken as it is written, without expansion. An object whose "type" names no macro is plain data.
//
// The built-in macros:
//
//	constants       defined(name) define(result)
//	files           import(path[,default])
//	conditions      if(condition,is_true,is_false) and(A,B) or(A,B) not(A) equals(A,B) less(A,B) contains(dictionary,key) empty(dictionary)
//	types           isArray isBool isDouble isInt isObject isString (value), and the casts bool double int str (value)
//	arithmetic      add sub mul div mod (A,B); bitwiseAnd bitwiseOr bitwiseXor bitwiseLeftShift bitwiseRightShift (A,B) bitwiseNot(A)
//	collections     keys(dictionary) values(dictionary) size(dictionary) select(dictionary,key[,default]) set(dictionary,key,value)
//	                slice(dictionary,from,to) merge(params) range(from,to) sort(dictionary) shuffle(dictionary[,seed]) split(dictionary,delim)
//	loops           transform, process, foreach: as objects only
//	hashes          hash(value) weightedHash(dictionary,key)
//	others          fail(msg) isLocalIp(ip)
//
// Where ours differs from mcrouter: objects keep the order of the file where mcrouter's order is not defined (keys, values,
// loops); two members whose keys expand to the same name, arithmetic that overflows, shifts by more than 63 and strings cut
// inside a character are errors; hash takes strings of up to 191 bytes (SpookyHash's short form); shuffle without a seed is
// random as it is there, with a seed it is the order of mcrouter built with GNU's C++ library. The list "consts" of the
// JSONM of 2014 is plain data, as it has been in mcrouter since.
//
// # Places
//
// A value's place is where its text stands: an argument's in the call, the result's in the definition of the macro. What
// has no text of its own, such as a sum, a merged object or a string with parameters in it, has the place of the
// expression that made it. Errors at values that a macro made name the calls as well.
//
// # Bounds
//
// A file may have 16 MiB, values may nest 200 deep, a configuration may have a million values or 64 MiB of strings, before
// and after expansion, calls may nest 250 deep (as in mcrouter), and an expansion ends with ErrLimit after two million steps.
package mcjson
