module hot

go 1.24.0

require (
	cachetools v0.0.0
	github.com/maypok86/otter/v2 v2.4.0
)

replace cachetools => ../../../abi/go
