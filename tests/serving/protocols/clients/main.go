// Go's net/http, as its documentation posts a body: the arguments are the service's address and the photo's path.
package main

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"strings"
)

func ask(url string, body io.Reader) map[string]any {
	response, err := http.Post(url, "image/png", body)
	if err != nil {
		panic(err)
	}
	defer response.Body.Close()
	answer := map[string]any{"status": response.StatusCode}
	json.NewDecoder(response.Body).Decode(&answer)
	return answer
}

func main() {
	address := os.Args[1]
	url := address + "/v1/models/orientation:predict"
	photo, _ := os.ReadFile(os.Args[2])
	head, err := http.Head(address + "/health/ready")
	if err != nil {
		panic(err)
	}
	json.NewEncoder(os.Stdout).Encode(map[string]any{
		"health":  head.StatusCode,
		"bytes":   ask(url, strings.NewReader(string(photo)))["predictions"],
		"chunked": ask(url, io.MultiReader(strings.NewReader(string(photo))))["predictions"],
		"wrong":   ask(url, strings.NewReader("no image")),
	})
}
