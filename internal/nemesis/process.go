package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
)

// process is a client process, seen from this one.
type process struct {
	cmd    *exec.Cmd
	mu     sync.Mutex // one order at a time
	orders io.WriteCloser
	done   *bufio.Scanner
}

func startProcess(cfg clientConfig) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(cfg)
	if err != nil {
		return nil, err
	}
	p := &process{cmd: exec.Command(self)}
	p.cmd.Env = append(os.Environ(), clientVariable+"="+string(text))
	p.cmd.Stderr = os.Stderr
	if p.orders, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.done = bufio.NewScanner(out)
	return p, p.cmd.Start()
}

// tell returns when the process has carried the order out.
func (p *process) tell(o order) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := json.NewEncoder(p.orders).Encode(o); err != nil {
		return fmt.Errorf("client process %d: %w", p.cmd.Process.Pid, err)
	}
	if !p.done.Scan() {
		return fmt.Errorf("client process %d ended before it did %q", p.cmd.Process.Pid, o.Do)
	}
	return nil
}

// end has the process write its history and end, and returns when it has.
func (p *process) end() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.orders.Close()
	if err := p.cmd.Wait(); err != nil {
		return fmt.Errorf("client process %d: %w", p.cmd.Process.Pid, err)
	}
	return nil
}
