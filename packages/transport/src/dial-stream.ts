import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import type { Clock, Hashes, Ids, Result, Timers } from '@stox/kernel'
import { fail, ok } from '@stox/kernel'
import type { DomainName } from '@stox/xmpp'
import type { InitiatingWorld, Judgement, StreamPurpose, StreamTimes } from '@stox/xmpp-engine'
import { advanceInitiating, startInitiating, whyNoMethod } from '@stox/xmpp-engine'
import type { Admission, Place } from './admission.ts'
import type { DnsResolver } from './dns-resolver.ts'
import { secureAsClient } from './secure-socket.ts'
import type { TlsIdentity } from './tls-identity.ts'
import type { DialFailure } from './xmpp-dialer.ts'
import { dialXmpp } from './xmpp-dialer.ts'
import type { StreamPolicy } from './xmpp-endpoint-types.ts'
import type { MachineFor } from './xmpp-stream.ts'
import { machineOf } from './xmpp-stream.ts'

export interface StreamDialDeps {
  readonly resolver: DnsResolver
  readonly ids: Ids
  readonly clock: Clock
  readonly timers: Timers
  readonly hashes: Hashes
  readonly tls: TlsIdentity
  readonly policy: StreamPolicy
  readonly admission: Admission
  readonly connectTimeoutMs: number
  readonly mayConnect: (address: string, remote: DomainName) => boolean
  judge(local: DomainName, remote: DomainName): Judgement
  times(): StreamTimes
}

export interface StreamDialOrder {
  readonly local: DomainName
  readonly remote: DomainName
  readonly purpose: StreamPurpose
  /** Somebody who has not proven himself wants it: he may have half of the partner's connections. */
  readonly forStranger: boolean
  /** Aborted: nobody wants it any more. */
  readonly signal: AbortSignal
}

/** A connection with all that its stream needs. */
export interface Dialed {
  readonly socket: Socket | TLSSocket
  readonly machineFor: MachineFor
  readonly place: Place
}

/** From the partner's record to a connection on which the stream may begin, or why there is none. */
export async function dialStream(
  deps: StreamDialDeps,
  { local, remote, purpose, forStranger, signal }: StreamDialOrder,
): Promise<Result<Dialed, DialFailure>> {
  const { policy, admission, tls } = deps
  const judgement = policy.judge(local, remote)
  if (!judgement.allowed) return fail({ kind: 'not-allowed', detail: judgement.reason })
  const { rules } = judgement
  const nothing = whyNoMethod(rules)
  if (nothing !== undefined) return fail({ kind: 'no-method', detail: nothing })
  const limit = forStranger ? Math.ceil(rules.connectionLimit / 2) : rules.connectionLimit
  const place = admission.reserve(rules.partner, purpose.kind, limit)
  if (!place.ok) return fail({ kind: 'connection-limit', detail: place.failure })
  const times = deps.times()
  const dialed = await dialXmpp(deps, {
    remote,
    proxy: rules.proxy,
    mayUseTls: rules.tls !== 'notSupported',
    withinMs: times.establishmentMs,
    signal,
    secure: (socket) => secureAsClient(socket, tls, local, remote, true),
  })
  if (!dialed.ok) {
    admission.release(place.value)
    return dialed
  }
  const socket = dialed.value
  const world: Omit<InitiatingWorld, 'judgeCertificate' | 'counts'> = {
    local,
    remote,
    purpose,
    hashes: deps.hashes,
    times,
    dialbackSecret: () => policy.dialbackSecret(),
    judge: (ours, theirs) => deps.judge(ours, theirs),
    holdsCertificate: () => tls.contextFor(local) !== undefined,
  }
  const machineFor: MachineFor = (judgeCertificate, counts) => {
    const mine = { ...world, counts, judgeCertificate: () => judgeCertificate(remote) }
    return machineOf(
      () => startInitiating(mine, socket instanceof TLSSocket),
      (state, input) => advanceInitiating(state, input, mine),
    )
  }
  return ok({ socket, machineFor, place: place.value })
}
