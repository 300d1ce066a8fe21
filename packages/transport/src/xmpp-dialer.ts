import type { Socket } from 'node:net'
import { connect } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { Clock, Ids, Result, Timers } from '@stox/kernel'
import { fail, ok } from '@stox/kernel'
import type { DomainName } from '@stox/xmpp'
import type { StreamFailure } from '@stox/xmpp-engine'
import type { DnsResolver } from './dns-resolver.ts'
import { dnsTrouble, locateXmpp } from './locate-xmpp.ts'

export interface DialDeps {
  readonly resolver: DnsResolver
  readonly ids: Ids
  readonly clock: Clock
  readonly timers: Timers
  readonly connectTimeoutMs: number
  readonly mayConnect: (address: string, remote: DomainName) => boolean
}

export interface DialOrder {
  readonly remote: DomainName
  readonly proxy: { readonly host: string; readonly port: number } | undefined
  /** Does the partner's record say that it speaks TLS? */
  readonly mayUseTls: boolean
  /** For the whole search, not for each address. */
  readonly withinMs: number
  readonly signal: AbortSignal
  /** Begins TLS on the connection to a target that wants it at once. */
  readonly secure: (socket: Socket) => TLSSocket
}

/** One address after the other until one takes the connection; with direct TLS, until one finishes the handshake. */
export async function dialXmpp(deps: DialDeps, order: DialOrder): Promise<Result<Socket | TLSSocket, StreamFailure>> {
  const deadlineMs = deps.clock.monotonicMs() + order.withinMs
  const located = await locateXmpp(order.remote, order.proxy, deps.resolver, deps.ids, order.mayUseTls)
  if (!located.ok) return located
  let failure: StreamFailure | undefined
  for (const target of located.value) {
    if (order.signal.aborted) break
    const found = await deps.resolver.addresses(target.host)
    if (!found.ok) {
      failure ??= found.failure.kind === 'trouble' ? dnsTrouble(found.failure) : noAddress(target.host)
      continue
    }
    for (const address of found.value) {
      const leftMs = deadlineMs - deps.clock.monotonicMs()
      if (order.signal.aborted || leftMs <= 0) break
      if (target.fromDns && !deps.mayConnect(address, order.remote)) {
        failure = { kind: 'unreachable', detail: `${target.host} is ${address}, where no partner may be` }
        continue
      }
      const timeoutMs = Math.min(leftMs, deps.connectTimeoutMs)
      const connected = await connectTo(deps, address, target.port, timeoutMs, order.signal)
      if (!connected.ok) {
        failure = connected.failure
        continue
      }
      if (!target.directTls) return connected
      const where = `${address} port ${target.port}`
      const secured = await secure(deps, order, connected.value, where, timeoutMs)
      if (secured.ok) return secured
      failure = secured.failure
    }
  }
  if (order.signal.aborted) return fail({ kind: 'closed', detail: 'closed by us while dialing' })
  return fail(failure ?? { kind: 'timeout', detail: 'no time left to try another address' })
}

/** The handshake of direct TLS: one that fails is a reason to try the next target. @see XEP-0368 §4 */
function secure(
  { timers }: Pick<DialDeps, 'timers'>,
  { signal, secure: begin }: DialOrder,
  plain: Socket,
  where: string,
  timeoutMs: number,
): Promise<Result<TLSSocket, StreamFailure>> {
  return new Promise((resolve) => {
    const socket = begin(plain)
    socket.on('error', () => {})
    const settle = (result: Result<TLSSocket, StreamFailure>): void => {
      timer.cancel()
      signal.removeEventListener('abort', onAbort)
      socket.removeListener('secureConnect', onSecure)
      socket.removeListener('error', onError)
      socket.removeListener('close', onClose)
      if (!result.ok) socket.destroy()
      resolve(result)
    }
    const refuse = (kind: 'tls-failed' | 'timeout' | 'closed', detail: string): void =>
      settle(fail({ kind, detail: `${where}, direct TLS: ${detail}` }))
    const onSecure = (): void => settle(ok(socket))
    const onError = (error: NodeJS.ErrnoException): void => refuse('tls-failed', error.code ?? error.message)
    const onClose = (): void => refuse('tls-failed', 'the peer hung up')
    const onAbort = (): void => refuse('closed', 'closed by us')
    const timer = timers.arm(timeoutMs, () => refuse('timeout', `no handshake within ${Math.round(timeoutMs)} ms`))
    socket.once('secureConnect', onSecure)
    socket.once('error', onError)
    socket.once('close', onClose)
    signal.addEventListener('abort', onAbort)
  })
}

const noAddress = (host: string): StreamFailure => ({ kind: 'domain-not-found', detail: `${host} has no address` })

function connectTo(
  deps: DialDeps,
  host: string,
  port: number,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<Result<Socket, StreamFailure>> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, noDelay: true, keepAlive: true })
    // Never without a listener, whoever owns it: 'close' follows and is what counts.
    socket.on('error', () => {})
    const settle = (result: Result<Socket, StreamFailure>): void => {
      timer.cancel()
      signal.removeEventListener('abort', onAbort)
      socket.off('connect', onConnect)
      socket.off('error', onError)
      if (!result.ok) socket.destroy()
      resolve(result)
    }
    const refuse = (kind: 'unreachable' | 'timeout' | 'closed', detail: string): void =>
      settle(fail({ kind, detail: `${host} port ${port}: ${detail}` }))
    const onConnect = (): void => settle(ok(socket))
    const onError = (error: NodeJS.ErrnoException): void => refuse('unreachable', error.code ?? error.message)
    const onAbort = (): void => refuse('closed', 'closed by us')
    const timer = deps.timers.arm(timeoutMs, () =>
      refuse('timeout', `no connection within ${Math.round(timeoutMs)} ms`),
    )
    socket.once('connect', onConnect)
    socket.once('error', onError)
    signal.addEventListener('abort', onAbort)
  })
}
