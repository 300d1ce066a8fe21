import type { Timer } from '@stox/kernel'
import type { DomainName } from '@stox/xmpp'
import type { CertificateVerdict, StanzaCounts, Step, StreamEffect, StreamInput } from '@stox/xmpp-engine'
import { failureOf } from '@stox/xmpp-engine'
import type { Place } from './admission.ts'
import type { OutboundPair } from './outbound-pair.ts'
import type { StanzaCarrier } from './outbound-stanza.ts'
import type { StreamLedger } from './stream-ledger.ts'
import type { StreamMachine, XmppConnection } from './xmpp-connection.ts'
import type { StreamInfo, StreamUp } from './xmpp-endpoint-types.ts'

/** One row of the endpoint's table. */
export interface Stream {
  readonly id: string
  readonly direction: 'in' | 'out'
  readonly purpose: StreamInfo['purpose']
  readonly connection: XmppConnection
  readonly machine: StreamMachine
  readonly ledger: StreamLedger
  readonly place: Place
  /** Outbound: the pair it is for. Inbound: what the header says. */
  local: DomainName | undefined
  remote: DomainName | undefined
  readonly pairs: StreamUp[]
  /** Stanzas go both ways. @see XEP-0288 */
  isBidi: boolean
  /** Inbound: bytes of one stanza of ours that the peer takes on it. @see XEP-0478 §3.2 */
  mostBack: number | undefined
  isShut: boolean
  /** Whose stanzas of ours it carries, or is to carry; undefined: nobody's. */
  carried: OutboundPair | undefined
  carrier: StanzaCarrier | undefined
  stanzasInHand: number
  /** Those that the partner's rate has been asked about. */
  stanzasPaid: number
  matrixRow: number | undefined
  unprovenBecause: string | undefined
  /** Why it failed is told already. */
  isTold: boolean
  /** Ends the stream when what proved it expires. */
  expiry: Timer | undefined
}

/** A machine for the connection whose peer's certificate it may ask about. */
export type MachineFor = (
  judgeCertificate: (domain: DomainName) => CertificateVerdict,
  counts: StanzaCounts,
) => StreamMachine

/** Keeps the state for a machine that is a function. */
export function machineOf<State extends { readonly name: string }>(
  start: () => Step<State>,
  advance: (state: State, input: StreamInput) => Step<State>,
): StreamMachine {
  let state: State | undefined
  const after = (step: Step<State>): readonly StreamEffect[] => {
    state = step.state
    return step.effects
  }
  return {
    get stateName() {
      return state?.name ?? 'new'
    },
    start: () => after(start()),
    advance(input) {
      if (state === undefined) throw new Error('the stream has not been started')
      return after(advance(state, input))
    },
  }
}

/** As the pair sees it whose stanzas it carries. */
export function carrierOf(
  { id: streamId, connection, ledger: { ours } }: Stream,
  remote: DomainName,
  maxBytes = Number.POSITIVE_INFINITY,
): StanzaCarrier {
  return {
    maxBytes,
    get isFull() {
      return connection.isFull || ours.isFull
    },
    get open() {
      return ours.open
    },
    write(stanza) {
      if (ours.isOn) {
        ours.push(stanza)
        connection.writeStanza(stanza.xml)
        return
      }
      connection.writeStanza(stanza.xml, (error) => {
        if (error === null || error === undefined) stanza.settle({ kind: 'sent', streamId })
        else {
          const detail = `lost on the way to the socket: ${error.message}`
          stanza.settle({ kind: 'failed', failure: failureOf({ kind: 'closed', detail }, remote) })
        }
      })
    },
    leftovers: () => ours.leftovers(),
  }
}

export function infoOf(stream: Stream, waitingStanzas = stream.stanzasInHand): StreamInfo {
  const { id, direction, purpose, connection, machine, ledger, local, remote, pairs, isBidi } = stream
  return {
    id,
    direction,
    purpose,
    state: machine.stateName,
    local,
    remote: remote ?? pairs[0]?.remote,
    pairs: pairs.map((pair) => ({ local: pair.local, remote: pair.remote, provenBy: pair.provenBy })),
    streamManagement: ledger.isManaged,
    bidirectional: isBidi,
    encrypted: connection.encrypted,
    tlsVersion: connection.tlsVersion,
    cipher: connection.cipher,
    matrixRow: stream.matrixRow,
    unprovenBecause: stream.unprovenBecause,
    certificates: connection.certificates,
    remoteAddress: connection.remoteAddress,
    remotePort: connection.remotePort,
    openedAtMs: connection.openedAtMs,
    quietMs: connection.quietMs,
    stanzasIn: connection.stanzasIn,
    stanzasOut: connection.stanzasOut,
    bytesIn: connection.bytesIn,
    bytesOut: connection.bytesOut,
    waitingBytes: connection.waitingBytes,
    waitingStanzas,
  }
}
