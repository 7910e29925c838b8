package truth

import (
	"os"
	"testing"

	"github.com/hopscope/hopscope/internal/lab/program"
)

func TestMain(m *testing.M) { os.Exit(program.Main(m)) }
