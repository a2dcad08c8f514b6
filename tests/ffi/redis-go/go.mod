module client

go 1.19

require cachetools v0.0.0

replace cachetools => ../../../abi/go
