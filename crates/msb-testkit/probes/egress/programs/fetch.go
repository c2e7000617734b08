// Prints what a server says: fetch METHOD ADDRESS.
package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

func main() {
	request, err := http.NewRequest(os.Args[1], os.Args[2], nil)
	if err == nil {
		client := http.Client{Timeout: 8 * time.Second}
		var answer *http.Response
		if answer, err = client.Do(request); err == nil {
			fmt.Print(answer.StatusCode, " ")
			io.Copy(os.Stdout, answer.Body)
			return
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
