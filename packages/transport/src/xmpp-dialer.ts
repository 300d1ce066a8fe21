import type { Socket } from 'node:net'
import { connect } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { Clock, Ids, Result, Timer, Timers } from '@stox/kernel'
import { fail, ok } from '@stox/kernel'
import type { DomainName } from '@stox/xmpp'
import type { FailureReason, StreamFailure } from '@stox/xmpp-engine'
import type { DnsResolver } from './dns-resolver.ts'
import type { XmppTarget } from './locate-xmpp.ts'
import { dnsTrouble, locateXmpp } from './locate-xmpp.ts'
import { tlsTroubleOf } from './tls-trouble.ts'

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

/** Where the last attempt went. */
export type DialFailure = StreamFailure & { readonly at?: { readonly address: string; readonly port: number } }

/** As many attempts as the detail of a failure tells of. */
const MOST_TOLD = 6

/**
 * One address after the other until one takes the connection; with direct TLS, until one finishes the handshake. The
 * failure is the last one's, and its detail tells of all.
 */
export async function dialXmpp(deps: DialDeps, order: DialOrder): Promise<Result<Socket | TLSSocket, DialFailure>> {
  const deadlineMs = deps.clock.monotonicMs() + order.withinMs
  const leftMs = (): number => deadlineMs - deps.clock.monotonicMs()
  const search = locateXmpp(order.remote, order.proxy, deps.resolver, deps.ids, order.mayUseTls)
  const located = await within(deps.timers, leftMs(), search)
  if (located === undefined) return fail(noAnswer(order.remote))
  if (!located.ok) return located
  const failures: DialFailure[] = []
  for (const target of located.value) {
    if (order.signal.aborted || leftMs() <= 0) break
    const found = await within(deps.timers, leftMs(), deps.resolver.addresses(target.host))
    if (found?.ok !== true) {
      if (found === undefined) failures.push(noAnswer(target.host))
      else failures.push(found.failure.kind === 'trouble' ? dnsTrouble(found.failure) : noAddress(target))
      continue
    }
    for (const address of found.value) {
      if (order.signal.aborted || leftMs() <= 0) break
      const at = { address, port: target.port }
      if (target.fromDns && !deps.mayConnect(address, order.remote)) {
        const detail = `${target.host} is ${address}, where no partner may be`
        failures.push({ kind: 'unreachable', reason: 'address-not-allowed', detail, at })
        continue
      }
      const timeoutMs = Math.min(leftMs(), deps.connectTimeoutMs)
      const connected = await connectTo(deps, address, target.port, timeoutMs, order.signal)
      if (!connected.ok) {
        failures.push({ ...connected.failure, at })
        continue
      }
      if (!target.directTls) return connected
      const where = `${address} port ${target.port}`
      const secured = await secure(deps, order, connected.value, where, timeoutMs)
      if (secured.ok) return secured
      failures.push({ ...secured.failure, at })
    }
  }
  if (order.signal.aborted) return fail({ kind: 'closed', detail: 'closed by us while dialing' })
  const last = failures.at(-1)
  if (last === undefined) return fail({ kind: 'timeout', detail: 'no time left to try another address' })
  return fail({
    ...last,
    detail: failures
      .slice(-MOST_TOLD)
      .map(({ detail }) => detail)
      .join('; '),
  })
}

/** Undefined when it takes longer: a name server that hangs must not hold up what waits behind it. */
async function within<T>(timers: Timers, leftMs: number, asked: Promise<T>): Promise<T | undefined> {
  let timer: Timer | undefined
  const late = new Promise<undefined>((resolve) => (timer = timers.arm(leftMs, () => resolve(undefined))))
  const first = await Promise.race([asked, late])
  timer?.cancel()
  return first
}

const noAnswer = (name: string): StreamFailure =>
  dnsTrouble({ kind: 'trouble', detail: `no answer in time for ${name}`, isSilence: true })

const noAddress = ({ host, fromSrv }: XmppTarget): StreamFailure => ({
  kind: 'domain-not-found',
  ...(fromSrv ? { reason: 'no-address' as const } : {}),
  detail: `${host} has no address`,
})

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
    const refuse = (kind: 'tls-failed' | 'timeout' | 'closed', detail: string, reason?: FailureReason): void =>
      settle(fail({ kind, ...(reason === undefined ? {} : { reason }), detail: `${where}, direct TLS: ${detail}` }))
    const onSecure = (): void => settle(ok(socket))
    const onError = ({ code, message }: NodeJS.ErrnoException): void =>
      refuse('tls-failed', code ?? message, tlsTroubleOf(code ?? '') ?? 'tls-hung-up')
    const onClose = (): void => refuse('tls-failed', 'the peer hung up', 'tls-hung-up')
    const onAbort = (): void => refuse('closed', 'closed by us')
    const timer = timers.arm(timeoutMs, () =>
      refuse('timeout', `no handshake within ${Math.round(timeoutMs)} ms`, 'tls-timeout'),
    )
    socket.once('secureConnect', onSecure)
    socket.once('error', onError)
    socket.once('close', onClose)
    signal.addEventListener('abort', onAbort)
  })
}

/** @see connect(2) */
const REASON_OF: Readonly<Record<string, FailureReason>> = {
  ECONNREFUSED: 'connection-refused',
  EHOSTUNREACH: 'no-route',
  ENETUNREACH: 'no-route',
  EADDRNOTAVAIL: 'no-route',
  EACCES: 'no-route',
  EPERM: 'no-route',
  ETIMEDOUT: 'connect-timeout',
}

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
    const refuse = (kind: 'unreachable' | 'timeout' | 'closed', detail: string, reason?: FailureReason): void =>
      settle(fail({ kind, ...(reason === undefined ? {} : { reason }), detail: `${host} port ${port}: ${detail}` }))
    const onConnect = (): void => settle(ok(socket))
    const onError = ({ code, message }: NodeJS.ErrnoException): void =>
      refuse('unreachable', code ?? message, REASON_OF[code ?? ''])
    const onAbort = (): void => refuse('closed', 'closed by us')
    const timer = deps.timers.arm(timeoutMs, () =>
      refuse('timeout', `no connection within ${Math.round(timeoutMs)} ms`, 'connect-timeout'),
    )
    socket.once('connect', onConnect)
    socket.once('error', onError)
    signal.addEventListener('abort', onAbort)
  })
}
