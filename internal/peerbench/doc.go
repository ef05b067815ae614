// Command peerbench runs the same work through packages of mailbricks and through their peers and compares the CPU time.
//
//	go run -C internal/peerbench . [-run REGEXP] [-rounds N] [-o FILE]
//
// It writes a table in Markdown to standard output, and a plot of the ratios with their spread on a logarithmic axis
// to the file of -o.
//
// How it measures: every implementation of a row does the same work on the same input, and what it returns is checked
// before anything is timed. A round runs all implementations of all rows once, one after the other, so that a slow
// moment of the machine meets all of them alike. A sample is as many operations as take about 30 ms. What counts is
// CPU time of the whole process (getrusage: user and system, garbage collection and all goroutines included), not wall
// time, so a busy machine does little harm. A ratio is taken within one round; the table gives the median over the
// rounds and the range of the middle half, the plot the median and the whole range.
//
// A server runs in a process of its own, so that the client that loads it does not count.
//
// A family adds its rows with a file of its own: a function that returns []row, named in families.
package main
