// A small Kafka broker that speaks the real protocol, for the tests of collector-config/kafka-*.yaml. What it
// acknowledges is on disk, and there after a restart:
//
//	kafka -port 9092 -health 9093 -partitions 4 -data folder topic…
package main

import (
	"flag"
	"fmt"
	"log"
	"net/http"

	"github.com/twmb/franz-go/pkg/kfake"
)

func main() {
	port := flag.Int("port", 9092, "where it speaks Kafka, on loopback")
	health := flag.Int("health", 9093, "where HTTP answers 200 once it does")
	partitions := flag.Int("partitions", 4, "of each topic")
	data := flag.String("data", "kafka", "the folder for all that it keeps")
	flag.Parse()
	cluster, err := kfake.NewCluster(
		kfake.NumBrokers(1),
		kfake.Ports(*port),
		kfake.DataDir(*data),
		kfake.SyncWrites(),
		kfake.SeedTopics(int32(*partitions), flag.Args()...),
	)
	if err != nil {
		log.Fatal(err)
	}
	defer cluster.Close()
	http.HandleFunc("/", func(http.ResponseWriter, *http.Request) {})
	log.Fatal(http.ListenAndServe(fmt.Sprintf("127.0.0.1:%d", *health), nil))
}
