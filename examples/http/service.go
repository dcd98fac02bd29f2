package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/nohop/memcache"
	"github.com/nohop/memcache/inspect"
)

// User is what the service is about.
type User struct {
	ID   int    `json:"id"`
	Name string `json:"name"`
}

// database finds a user; errNoUser if there is none.
type database func(ctx context.Context, id int) (User, error)

var errNoUser = errors.New("no such user")

// service answers GET /user/{id} from the cache, or from the database where the cache has no answer.
type service struct {
	client *memcache.Client
	find   database
}

func newService(client *memcache.Client, find database) http.Handler {
	s := &service{client, find}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /user/{id}", s.user)
	mux.Handle("/debug/memcache/", http.StripPrefix("/debug/memcache", inspect.Handler(client)))
	return mux
}

func (s *service) user(w http.ResponseWriter, r *http.Request) {
	id, err := strconv.Atoi(r.PathValue("id"))
	if err != nil {
		http.Error(w, "an id is a number", http.StatusBadRequest)
		return
	}
	load := func(ctx context.Context) (User, error) { return s.find(ctx, id) }
	user, err := memcache.Load(r.Context(), s.client, "user:"+strconv.Itoa(id), memcache.JSON[User]{}, time.Minute, load)
	switch {
	case errors.Is(err, errNoUser):
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	case err != nil:
		http.Error(w, "try again", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(user) // the reader may be gone
}

// slowDatabase knows a thousand users.
func slowDatabase(ctx context.Context, id int) (User, error) {
	select {
	case <-ctx.Done():
		return User{}, ctx.Err()
	case <-time.After(300 * time.Millisecond):
	}
	if id < 0 || id >= 1000 {
		return User{}, errNoUser
	}
	return User{id, "user number " + strconv.Itoa(id)}, nil
}
