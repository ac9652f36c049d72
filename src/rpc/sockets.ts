/** @file The only import of zeromq: the socket types that the kernel and the runtime use. Load it off the cell thread. */

export type { MessageLike, Socket } from "zeromq";
export { context, curveKeyPair, Dealer, Pair, Publisher, Reply, Request, Router, Subscriber, XPublisher } from "zeromq";
