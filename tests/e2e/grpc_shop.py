"""A gRPC service with the libraries that most people have: grpcio, and protobuf's own Python."""

from __future__ import annotations

import subprocess
import threading
from concurrent import futures
from pathlib import Path

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

PROTO = """syntax = "proto3";
package shop;
message Order { string customer = 1; int64 count = 2; repeated string lines = 3; }
message Receipt { string id = 1; int64 cents = 2; repeated string lines = 3; }
service Orders {
  rpc Place(Order) returns (Receipt);
  rpc Watch(Order) returns (stream Receipt);
  rpc Upload(stream Order) returns (Receipt);
}
"""


def _messages():
    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="shop.proto", package="shop", syntax="proto3")
    for name, first, second in (("Order", "customer", "count"), ("Receipt", "id", "cents")):
        message = file.message_type.add(name=name)
        message.field.add(name=first, number=1, type=field.TYPE_STRING, label=field.LABEL_OPTIONAL)
        message.field.add(name=second, number=2, type=field.TYPE_INT64, label=field.LABEL_OPTIONAL)
        message.field.add(name="lines", number=3, type=field.TYPE_STRING, label=field.LABEL_REPEATED)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return [message_factory.GetMessageClass(pool.FindMessageTypeByName(f"shop.{name}")) for name in ("Order", "Receipt")]


Order, Receipt = _messages()


class Call:
    def __init__(self, order, context):
        self.order = order
        self.metadata = dict(context.invocation_metadata())
        self.seconds_left = context.time_remaining()
        self.over = threading.Event()  # answered, or the client has left
        context.add_callback(self.over.set)


class Shop:
    """`order.customer` says how it answers: "abort CODE", "hang" (until `release`), "large", "leak", or well."""

    def __init__(self, tls: tuple[bytes, bytes] | None = None):
        self.calls: list[Call] = []
        self.release = threading.Event()
        self.server = grpc.server(futures.ThreadPoolExecutor(8))
        kinds = {"Place": grpc.unary_unary_rpc_method_handler, "Watch": grpc.unary_stream_rpc_method_handler}
        handlers = {name: kind(getattr(self, name), request_deserializer=Order.FromString,
                               response_serializer=Receipt.SerializeToString) for name, kind in kinds.items()}
        self.server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("shop.Orders", handlers),))
        if tls:
            self.port = self.server.add_secure_port("localhost:0", grpc.ssl_server_credentials([tls]))
        else:
            self.port = self.server.add_insecure_port("localhost:0")
        self.server.start()

    def __enter__(self) -> "Shop":
        return self

    def __exit__(self, *_):
        self.release.set()
        self.server.stop(None).wait()

    def Place(self, order, context):
        self.calls.append(Call(order, context))
        if order.customer.startswith("abort"):
            context.abort(grpc.StatusCode[order.customer.split()[1]], "w0rds-of-the-service")
        if order.customer == "hang":
            self.release.wait(60)
        if order.customer == "large":
            return Receipt(id="x" * (5 << 20))
        if order.customer == "leak":
            return Receipt(id="ask bob.ray@example.org")
        return Receipt(id=f"r-{order.customer}", cents=order.count * 250, lines=order.lines)

    def Watch(self, order, context):
        self.calls.append(Call(order, context))
        for index in range(order.count):
            yield Receipt(id=f"r{index}", cents=index)
        if order.customer.startswith("abort"):
            context.abort(grpc.StatusCode[order.customer.split()[1]], "w0rds-of-the-service")


def certificate(folder: Path) -> tuple[Path, tuple[bytes, bytes]]:
    """Of localhost, its own authority: the file to trust, and (key, certificate)."""
    key, cert = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(cert)],
                   check=True, capture_output=True)
    return cert, (key.read_bytes(), cert.read_bytes())
