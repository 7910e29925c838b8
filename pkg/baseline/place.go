package baseline

import (
	"errors"
	"os"
	"os/user"
	"path/filepath"
)

// Place is where the baselines of a user are: hopscope/baselines below
// XDG_STATE_HOME or else below .local/state at home (XDG Base Directory
// Specification). Behind sudo it is that of the user who called it, so that
// what root recorded is found without root.
func Place(euid int, env func(string) string) (string, error) {
	const below = "hopscope/baselines"
	if uid := env("SUDO_UID"); euid == 0 && uid != "" && uid != "0" {
		if u, err := user.LookupId(uid); err == nil && filepath.IsAbs(u.HomeDir) {
			return filepath.Join(u.HomeDir, ".local/state", below), nil
		}
	}
	if dir := env("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, below), nil
	}
	if home := env("HOME"); filepath.IsAbs(home) {
		return filepath.Join(home, ".local/state", below), nil
	}
	return "", errors.New("baselines are kept at home, and HOME is not set")
}

// Mine is the store of who runs the program.
func Mine() (*Store, error) {
	dir, err := Place(os.Geteuid(), os.Getenv)
	if err != nil {
		return nil, err
	}
	return Open(dir), nil
}
