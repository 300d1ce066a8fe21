import type { Log } from '@stox/kernel'
export declare function createLog(options: { readonly level: LogLevel; readonly name: string; readonly destination?: LogDestination }): Log
export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent'
export interface LogDestination { write(line: string): void }

export type MessageDirection = 'xmpp-to-sip' | 'sip-to-xmpp'
export interface StreamLabels {
  readonly direction: 'inbound' | 'outbound'
  readonly partner: string
  readonly method: string
  /** `TLSv1.3`, or `none`. */
  readonly tls: string
}
/** Everything that is counted, by the name of what happened. Label values come from fixed sets or from the partner list. */
export interface Metrics {
  streamOpened(labels: StreamLabels): void
  streamClosed(labels: StreamLabels): void
  streamFailed(direction: StreamLabels['direction'], reason: string): void
  messageEnded(direction: MessageDirection, outcome: 'delivered' | 'bounced' | 'absorbed', durationMs: number): void
  presencePassed(direction: MessageDirection, kind: string): void
  linkFrames(way: 'sent' | 'received', kind: string, count?: number): void
  linkRoundTrip(durationMs: number): void
  sipTransactionEnded(role: 'client' | 'server', method: string, status: number | 'timeout' | 'transport'): void
  inputRefused(kind: string): void
  journalDropped(count?: number): void
  /** Gauges that are read when somebody asks. Registering a name with the same labels again replaces the reader. */
  watchQueue(queue: string, read: () => number): void
  watchLinkCredit(peer: string, read: () => number): void
  watchSubscriptions(read: () => Iterable<{ readonly direction: string; readonly state: string; readonly count: number }>): void
  text(): Promise<string>
  readonly contentType: string
  close(): void
}
export declare function createMetrics(options: { readonly node: string }): Metrics

export interface ReadyCheck { readonly ok: boolean; readonly detail: string }
export type ReadyReport = Readonly<Record<string, ReadyCheck>>
export interface OpsServer { readonly address: string; readonly port: number; close(): Promise<void> }
/** `listen`: `host:port`, port 0 picks one. Rejects with a plain error when the port is in use. */
export declare function opsServer(options: {
  readonly listen: string
  readonly ready: () => ReadyReport | Promise<ReadyReport>
  readonly metrics: Metrics
}): Promise<OpsServer>
