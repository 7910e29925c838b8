//go:build !linux

package hostcounters

// Only Linux has what this reads.

func links(uint32, string) reading { return nil }

func rules(uint32, string, ruleNames) reading { return nil }

func legacyRules(uint32, ruleNames) reading { return nil }
