/** @file The only import of zeromq: the socket types that the kernel and the runtime use. Load it off the cell thread. */
export { context, Dealer, Pair, Publisher, Reply, Request, Router, Subscriber, XPublisher, curveKeyPair } from "zeromq";
export type { MessageLike, Socket } from "zeromq";
