package flame

import (
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"strings"
	"text/template"
)

//go:embed page.html page.css page.js
var files embed.FS

// pageData fills page.html. Text is escaped before it gets here: the page's
// policy names the script and the style by their hashes, so that both must
// stand there byte by byte, which html/template does not promise.
type pageData struct {
	Title, Style, Script, Data string
	StyleHash, ScriptHash      string
}

// document is what the page's script reads.
type document struct {
	Title string   `json:"title"`
	Notes []string `json:"notes"`
	Views []View   `json:"views"`
	Root  *Frame   `json:"root"`
}

// HTML writes a page that needs nothing beside itself: no network, no other
// file. Its policy lets nothing but its own script run, whatever names say.
func HTML(w io.Writer, t *Tree) error {
	if err := writePage(w, t); err != nil {
		return fmt.Errorf("write HTML flame: %w", err)
	}
	return nil
}

func writePage(w io.Writer, t *Tree) error {
	data, err := json.Marshal(document{t.Title, t.Notes, t.Views, t.Root}) // escapes <, > and &
	if err != nil {
		return err
	}
	p := pageData{Title: html.EscapeString(t.Title), Data: string(data)}
	if p.Style, err = file("page.css"); err != nil {
		return err
	}
	if p.Script, err = file("page.js"); err != nil {
		return err
	}
	p.StyleHash, p.ScriptHash = policyHash(p.Style), policyHash(p.Script)
	page, err := template.ParseFS(files, "page.html")
	if err != nil {
		return err
	}
	return page.Execute(w, p)
}

func file(name string) (string, error) {
	raw, err := files.ReadFile(name)
	return "\n" + strings.TrimSpace(string(raw)) + "\n", err
}

// policyHash names an inline script or style in a content security policy
// (W3C CSP Level 3, 2.3.1).
func policyHash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}
