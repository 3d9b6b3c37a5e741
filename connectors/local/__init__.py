"""The real parts on this machine: Apache Kafka, ClickHouse, and the processes around them."""
