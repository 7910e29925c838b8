package arch

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

// TestGoroutinesAreBegunByCrash holds for all that may run while the screen has the
// terminal: a panic in a goroutine that a go statement began would leave it raw.
func TestGoroutinesAreBegunByCrash(t *testing.T) {
	for _, root := range []string{"../../pkg", "../../tui", "../../cmd/hopscope/top.go", "../../cmd/hopscope/replay.go"} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.HasSuffix(path, "pkg/crash/crash.go") {
				return err
			}
			files := token.NewFileSet()
			file, err := parser.ParseFile(files, path, nil, 0)
			if err != nil {
				return err
			}
			ast.Inspect(file, func(n ast.Node) bool {
				if begins(n) {
					t.Errorf("%s: use crash.Go", files.Position(n.Pos()))
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// begins says whether a node begins a goroutine by itself, or by a
// sync.WaitGroup or its like.
func begins(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.GoStmt:
		return true
	case *ast.SelectorExpr:
		of, named := n.X.(*ast.Ident)
		return n.Sel.Name == "Go" && (!named || of.Name != "crash")
	}
	return false
}
