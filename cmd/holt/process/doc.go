// Package process has the processes that a command starts: they lead a process group, are ended with all they have started, and where the kernel can (Linux) do not
// outlive the command. One of them may be a server.
package process
