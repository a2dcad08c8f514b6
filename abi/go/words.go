// SPDX-License-Identifier: MIT

package cachetools

// #include "callbacks.h"
import "C"

import "regexp"

// words are names of the header and what this package calls the same. Other words stay.
var words = map[string]string{
	"CT_ENTRY_COST":         "EntryCost",
	"CT_ENTRY_DEADLINE":     "EntryDeadline",
	"CT_ENTRY_IF_SAME":      "EntryIfSame",
	"CT_ENTRY_TTL":          "EntryTTL",
	"CT_ENTRY_WEIGHT":       "EntryWeight",
	"CT_FLAG_CURVE":         "Curve",
	"CT_FLAG_KEEP_NOTHING":  "KeepNothing",
	"CT_FLAG_NO_STATS":      "NoStats",
	"CT_FLAG_PRECISE_CLOCK": "PreciseClock",
	"CT_POLICY_CUSTOM":      "CUSTOM",
	"CT_POLICY_TLRU":        "TLRU",
	"CT_POLICY_TTL":         "TTL",
	"CT_SECONDS":            "time.Second",
	"alloc":                 "Alloc",
	"allocator":             "Allocator",
	"cost":                  "Cost",
	"ct_policy":             "Policy",
	"ct_weight_kind":        "WeightKind",
	"custom":                "NewEvictor",
	"deadline":              "Deadline",
	"flags":                 "Flags",
	"free":                  "Free",
	"jitter":                "Jitter",
	"maxsize":               "Maxsize",
	"negative_ttl":          "NegativeTTL",
	"policy":                "Policy",
	"refresh_ahead":         "RefreshAhead",
	"retry":                 "Retry",
	"same":                  "Same",
	"shards":                "Shards",
	"stale":                 "Stale",
	"tags":                  "Tags",
	"tti":                   "TTI",
	"ttl":                   "TTL",
	"ttu":                   "TimeToUse",
	"weight":                "Weight",
	"weight_kind":           "WeightKind",
}

var word = regexp.MustCompile(`\w+`)

// problem returns what the library says is wrong, by the names of this package.
func problem(sentence *C.char) string {
	return word.ReplaceAllStringFunc(C.GoString(sentence), func(name string) string {
		if it, isAnother := words[name]; isAnother {
			return it
		}
		return name
	})
}
