package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/redis/go-redis/v9"
)

// redisStream is a stream with one consumer group; the append-only file is synced before answers leave.
type redisStream struct {
	process
	c *redis.Client
}

func (r *redisStream) Start(ctx context.Context, dir string, clients int) error {
	port, err := freePort()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	err = r.start("redis-server", "--bind", "127.0.0.1", "--port", fmt.Sprint(port), "--dir", dir, "--save", "", "--appendonly", "yes", "--appendfsync", "always")
	if err != nil {
		return err
	}
	if err := dialable(ctx, port); err != nil {
		return err
	}
	r.c = redis.NewClient(&redis.Options{Addr: fmt.Sprintf("127.0.0.1:%d", port), PoolSize: clients})
	return r.c.XGroupCreateMkStream(ctx, "jobs", "workers", "0").Err()
}

func (r *redisStream) Publish(ctx context.Context, _ int, values [][]byte) error {
	_, err := r.c.Pipelined(ctx, func(p redis.Pipeliner) error {
		for _, v := range values {
			p.XAdd(ctx, &redis.XAddArgs{Stream: "jobs", Values: []any{"v", v}})
		}
		return nil
	})
	return err
}

func (r *redisStream) Work(ctx context.Context, client, max int) (int, error) {
	got, err := r.c.XReadGroup(ctx, &redis.XReadGroupArgs{
		Group: "workers", Consumer: fmt.Sprint("w", client), Streams: []string{"jobs", ">"}, Count: int64(max), Block: 200 * time.Millisecond,
	}).Result()
	if errors.Is(err, redis.Nil) {
		return 0, nil
	}
	if err != nil || len(got) == 0 {
		return 0, err
	}
	ids := make([]string, len(got[0].Messages))
	for i, m := range got[0].Messages {
		ids[i] = m.ID
	}
	return len(ids), r.c.XAck(ctx, "jobs", "workers", ids...).Err()
}

func (r *redisStream) Stop() {
	if r.c != nil {
		_ = r.c.Close()
	}
	r.stop()
}
