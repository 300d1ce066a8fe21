import type { XmlElement } from '@stox/xml'
import type { DomainName, Stanza, StreamCondition } from '@stox/xmpp'
import { parseStanza } from '@stox/xmpp'
import type { StreamEffect } from './effects.ts'
import type { ProvenPeer } from './proven-peer.ts'
import type { RefusalKind } from './refusal.ts'

/** What is to be done with a stanza from the wire, before it is known whether its sender may send it here. */
export type ReadStanza =
  | { readonly kind: 'stanza'; readonly local: DomainName; readonly remote: DomainName; readonly stanza: Stanza }
  /** It is broken, and its sender can be told. */
  | {
      readonly kind: 'answer'
      readonly local: DomainName
      readonly remote: DomainName
      readonly reply: Stanza
      readonly detail: string
    }
  /** An error or a result that is itself broken: nobody can be told. @see RFC 6120 §8.3.1 */
  | { readonly kind: 'drop'; readonly detail: string }
  /** So broken that the stream ends. */
  | { readonly kind: 'break'; readonly condition: StreamCondition & RefusalKind; readonly detail: string }

export function readStanza(element: XmlElement): ReadStanza {
  const parsed = parseStanza(element)
  if (parsed.ok) {
    const stanza = parsed.value
    return { kind: 'stanza', local: stanza.to.domain, remote: stanza.from.domain, stanza }
  }
  const { condition, detail, reply } = parsed.failure
  if (reply !== undefined) {
    return { kind: 'answer', local: reply.from.domain, remote: reply.to.domain, reply, detail }
  }
  switch (condition) {
    case 'improper-addressing':
    case 'invalid-namespace':
    case 'unsupported-stanza-type':
    case 'invalid-xml':
      return { kind: 'break', condition, detail }
    default:
      return { kind: 'drop', detail }
  }
}

/** For one whose sender may send it here. */
export function passStanza(
  read: Extract<ReadStanza, { kind: 'stanza' | 'answer' }>,
  peer: ProvenPeer,
  bytes: number,
): readonly StreamEffect[] {
  if (read.kind === 'stanza') return [{ kind: 'stanza', stanza: read.stanza, peer, bytes }]
  return [malformed(read.detail), { kind: 'answer', stanza: read.reply }, { kind: 'handled' }]
}

export const dropStanza = (detail: string): readonly StreamEffect[] => [malformed(detail), { kind: 'handled' }]

const malformed = (detail: string): StreamEffect => ({ kind: 'refused', refusal: 'malformed-stanza', detail })
