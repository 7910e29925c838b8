package robust

// helper is this test program in the place of a child that prepares itself
// before it becomes the program under test.
func helper() (code int, ok bool) { return 0, false }
