"""A real Kafka on loopback: one node of Apache Kafka, whose jars are fetched once and checked by hash."""

from __future__ import annotations

import base64
import functools
import hashlib
import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from harness import ROOT, until

VERSION = "4.1.0"
JARS = ROOT / "build/kafka" / VERSION
# Over "SHA-256  name" of each jar, a line each, in the order of their names.
JARS_SHA256 = "ed221617419d07bb7659b744f3b4c53389f757df65c937c410a73b099b49d884"


@functools.cache
def kafka_jars() -> tuple[Path | None, str]:
    """Fetched once, wherever there are Maven and Java; or nothing, and why."""
    if (JARS / ".complete").exists():
        return JARS, ""
    if not shutil.which("mvn") or not shutil.which("java"):
        return None, "needs a Kafka broker: Maven and Java 17 or newer fetch and run one"
    shutil.rmtree(JARS, ignore_errors=True)
    made = subprocess.run(["mvn", "-q", "-B", "-f", str(Path(__file__).with_name("kafka.pom.xml")), "dependency:copy-dependencies",
                           "-DincludeScope=runtime", f"-DoutputDirectory={JARS}"], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if made.returncode != 0:
        return None, f"needs a Kafka broker, and its jars cannot be fetched: {made.stdout.strip().splitlines()[:1]}"
    lines = [f"{hashlib.sha256(jar.read_bytes()).hexdigest()}  {jar.name}\n" for jar in sorted(JARS.glob("*.jar"))]
    found = hashlib.sha256("".join(lines).encode()).hexdigest()
    assert found == JARS_SHA256, f"these are not the jars of Kafka {VERSION} that are known here: {found}"
    (JARS / ".complete").touch()
    return JARS, ""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Kafka:
    """May be killed and started again; then it has what it had."""

    def __init__(self, folder: Path):
        self.folder = folder
        port, controller = free_port(), free_port()
        self.address = f"127.0.0.1:{port}"
        self.properties = folder / "server.properties"
        self.properties.write_text(f"""\
node.id=1
process.roles=broker,controller
listeners=PLAINTEXT://{self.address},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://{self.address}
controller.listener.names=CONTROLLER
controller.quorum.voters=1@127.0.0.1:{controller}
log.dirs={folder}/log
# One node has one replica of everything, and a test does not wait for members that may still come.
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
auto.create.topics.enable=false
# A broker that was killed is forgotten soon, so that it may come back.
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=500
""")
        (folder / "log4j2.properties").write_text(f"""\
rootLogger.level=warn
rootLogger.appenderRef.file.ref=file
appender.file.type=File
appender.file.name=file
appender.file.fileName={folder}/kafka.log
appender.file.layout.type=PatternLayout
appender.file.layout.pattern=%d %p %c %m%n
""")
        cluster = base64.urlsafe_b64encode(b"S" + os.urandom(15)).decode().rstrip("=")
        made = subprocess.run(self.java("kafka.tools.StorageTool", "format", "-t", cluster, "-c"), capture_output=True, text=True)
        assert made.returncode == 0, made.stdout + made.stderr
        self.process = None
        self.admin = AdminClient({"bootstrap.servers": self.address, "log_level": 0, "reconnect.backoff.max.ms": 200})
        self.start()

    def java(self, program: str, *arguments: str) -> list[str]:
        return ["java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto",
                f"-Dlog4j2.configurationFile={self.folder}/log4j2.properties", "-cp", f"{JARS}/*", program, *arguments,
                str(self.properties)]

    def start(self):
        with (self.folder / "out.log").open("ab") as log:
            self.process = subprocess.Popen(self.java("kafka.Kafka"), stdout=log, stderr=log, stdin=subprocess.DEVNULL)

        def answers():
            assert self.process.poll() is None, (self.folder / "out.log").read_text()[-2000:]
            try:
                return self.admin.list_topics(timeout=0.5).brokers
            except KafkaException:
                return False

        until("the broker", answers)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        if self.process.poll() is None:
            self.kill()  # nothing of it is kept

    def make_topic(self, name: str, partitions: int = 1) -> str:
        self.admin.create_topics([NewTopic(name, partitions, 1)])[name].result(30)
        return name

    def write(self, topic: str, records: list[dict]):
        """Returns when the broker has them all. A record: value, and key, headers, partition where wanted."""
        producer = Producer({"bootstrap.servers": self.address, "acks": "all", "linger.ms": 1, "log_level": 0})
        failed = []
        for record in records:
            producer.produce(topic, on_delivery=lambda error, _: error and failed.append(error), **record)
            producer.poll(0)
        assert producer.flush(60) == 0 and not failed, failed

    def read(self, topic: str, count: int, timeout_s: float = 30) -> list:
        """The first `count` records of the topic's partition 0, and what else is there by then."""
        consumer = Consumer({"bootstrap.servers": self.address, "group.id": "test", "enable.auto.commit": False, "log_level": 0})
        consumer.assign([TopicPartition(topic, 0, 0)])
        found: list = []

        def enough():
            found.extend(message for message in consumer.consume(1000, 0.1) if not message.error())
            return len(found) >= count

        try:
            until(f"{count} records of {topic}", enough, timeout_s)
            found.extend(message for message in consumer.consume(1000, 0.5) if not message.error())
        finally:
            consumer.close()
        return found

    def committed(self, group: str, topic: str, partitions: int = 1) -> list[int]:
        """What the group has committed of each partition; -1001: nothing."""
        consumer = Consumer({"bootstrap.servers": self.address, "group.id": group, "log_level": 0})
        try:
            return [place.offset for place in consumer.committed([TopicPartition(topic, i) for i in range(partitions)], 30)]
        finally:
            consumer.close()
