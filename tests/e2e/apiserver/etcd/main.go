// Program etcd is the store of the Kubernetes API server, built from its Go module for the e2e tests: Debian 12's
// etcd 3.4 cannot report progress on request, without which the API server refuses WatchList.
package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() { etcdmain.Main(os.Args) }
