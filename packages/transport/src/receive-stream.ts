import type { Hashes, Ids } from '@stox/kernel'
import type { DomainName } from '@stox/xmpp'
import { STREAM_END, formatStreamError, formatStreamHeader } from '@stox/xmpp'
import type { ReceivingWorld } from '@stox/xmpp-engine'
import { advanceReceiving, startReceiving } from '@stox/xmpp-engine'
import type { Admission } from './admission.ts'
import type { StreamRulebook } from './stream-rules.ts'
import type { TlsIdentity } from './tls-identity.ts'
import type { StreamPolicy } from './xmpp-endpoint-types.ts'
import type { MachineFor } from './xmpp-stream.ts'
import { machineOf } from './xmpp-stream.ts'

export interface StreamReceiveDeps {
  readonly ids: Ids
  readonly hashes: Hashes
  readonly tls: TlsIdentity
  readonly policy: StreamPolicy
  readonly rules: StreamRulebook
  readonly admission: Admission
  /** Of who is at the other end. */
  penaltyOf(local: DomainName, remote: DomainName | undefined): string | undefined
}

/** The machine of a stream that somebody else opens. */
export function receivingMachine(deps: StreamReceiveDeps, begin: 'starttls' | 'direct'): MachineFor {
  const { ids, hashes, tls, policy, rules, admission } = deps
  const world: Omit<ReceivingWorld, 'judgeCertificate' | 'counts'> = {
    ids,
    hashes,
    times: rules.times(),
    dialbackSecret: () => policy.dialbackSecret(),
    isServed: (domain) => policy.isServed(domain),
    judge: (local, remote) => rules.judge(local, remote),
    hasRoom(local, remote) {
      const mine = rules.rulesFor(local, remote)
      return mine !== undefined && admission.hasRoom(mine.partner, 'stanzas', mine.connectionLimit)
    },
    penaltyOf: (local, remote) => deps.penaltyOf(local, remote),
    canEncrypt: (local) => tls.contextFor(local) !== undefined,
  }
  return (judgeCertificate, counts) => {
    const mine = { ...world, judgeCertificate, counts }
    return machineOf(
      () => startReceiving(mine, begin),
      (state, input) => advanceReceiving(state, input, mine),
    )
  }
}

/** All that is said to a connection for which there is no room. */
export function noRoomText(ids: Pick<Ids, 'token'>): string {
  const header = formatStreamHeader({
    from: undefined,
    to: undefined,
    id: ids.token(),
    version: { major: 1, minor: 0 },
    lang: 'en',
    declaresDialback: true,
  })
  return header + formatStreamError({ condition: 'resource-constraint', text: undefined }) + STREAM_END
}
