import { unreachable } from '@stox/kernel'
import type { XmlElement } from '@stox/xml'
import { localNameOf } from '@stox/xml'
import type { StreamErrorInfo, StreamManagement } from '@stox/xmpp'
import {
  SM_ENABLED,
  SM_MODULUS,
  SM_REQUEST,
  formatSmAnswer,
  formatSmFailed,
  handledTooHighElement,
  parseStreamManagement,
} from '@stox/xmpp'
import type { StreamEffect } from './effects.ts'

/** Counted from where stream management began on the stream. Live: they grow beside the machine. */
export interface StanzaCounts {
  /** Theirs, from the first on, that have their outcome. */
  readonly handled: number
  /** Ours that were sent. */
  readonly sent: number
  /** Ours that the peer has handled. */
  readonly acknowledged: number
}

/** What a `<… xmlns='urn:xmpp:sm:3'/>` of the peer does. */
export type Managed =
  | { readonly kind: 'go-on'; readonly effects: readonly StreamEffect[]; readonly turns?: 'on' | 'off' }
  | { readonly kind: 'stream-error'; readonly error: StreamErrorInfo; readonly detail: string }

const goOn = (...effects: readonly StreamEffect[]): Managed => ({ kind: 'go-on', effects })
const write = (text: string): StreamEffect => ({ kind: 'write', text })

/** Before a side closes its stream it says how far it is, and asks how far the other is. @see XEP-0198 §7 */
export function lastWordsOf(
  { answers, asks }: { readonly answers: boolean; readonly asks: boolean },
  { handled, sent, acknowledged }: StanzaCounts,
): string {
  return (answers ? formatSmAnswer(handled) : '') + (asks && sent > acknowledged ? SM_REQUEST : '')
}

/** Behind our closing tag what the peer says of our stanzas still counts, and nothing else of it does. */
export function lastCounted(element: XmlElement, counts: StanzaCounts): readonly StreamEffect[] {
  const said = parseStreamManagement(element)
  const managed = said?.kind === 'answer' ? onAnswer(said.h, counts) : undefined
  return managed?.kind === 'go-on' ? managed.effects : []
}

/** The side that was asked to do stream management. @see XEP-0198 §3, §4, §5 */
export function onManagementAsked(
  element: XmlElement,
  { isOn, isProven }: { readonly isOn: boolean; readonly isProven: boolean },
  counts: StanzaCounts,
): Managed {
  const asked = parseStreamManagement(element)
  switch (asked?.kind) {
    case 'enable':
      if (!isProven) return goOn(write(formatSmFailed('unexpected-request')))
      if (isOn) return breach('policy-violation', 'a second <enable/>')
      // No resumption: a server that comes back proves itself anew in a moment, and what was not acknowledged it sends again.
      // To keep a dead stream's stanzas for it would cost memory at the whim of whoever breaks connections.
      return {
        kind: 'go-on',
        turns: 'on',
        effects: [write(SM_ENABLED), { kind: 'managed', theirs: true, ours: true }],
      }
    case 'resume':
      return goOn(write(formatSmFailed('feature-not-implemented')))
    case 'request':
    case 'answer':
      return isOn ? onCounting(asked, counts) : outOfPlace(element)
    case 'enabled':
    case 'resumed':
    case 'failed':
    case undefined:
      return outOfPlace(element)
    default:
      return unreachable(asked)
  }
}

/** The side that has asked for it. `isOn` from our `<enable/>` on: what we send behind it counts. @see XEP-0198 §3, §4 */
export function onManagementAnswered(
  element: XmlElement,
  { isOn, isAnswered }: { readonly isOn: boolean; readonly isAnswered: boolean },
  counts: StanzaCounts,
): Managed {
  const answer = parseStreamManagement(element)
  switch (answer?.kind) {
    case 'enabled':
      if (!isOn || isAnswered) return outOfPlace(element)
      return { kind: 'go-on', turns: 'on', effects: [{ kind: 'managed', theirs: true, ours: false }] }
    case 'failed':
      if (!isOn || isAnswered) return outOfPlace(element)
      return { kind: 'go-on', turns: 'off', effects: [{ kind: 'unmanaged' }] }
    case 'request':
    case 'answer':
      return isOn ? onCounting(answer, counts) : outOfPlace(element)
    case 'enable':
    case 'resume':
    case 'resumed':
    case undefined:
      return outOfPlace(element)
    default:
      return unreachable(answer)
  }
}

function onCounting(said: Extract<StreamManagement, { kind: 'request' | 'answer' }>, counts: StanzaCounts): Managed {
  if (said.kind === 'answer') return onAnswer(said.h, counts)
  return goOn(write(formatSmAnswer(counts.handled)), { kind: 'asked' })
}

/** Our stanzas that the peer has handled: more than before, or as many, and never more than there are. @see XEP-0198 §4, §6 */
function onAnswer(h: number | undefined, { sent, acknowledged }: StanzaCounts): Managed {
  if (h === undefined) return breach('invalid-xml', '<a/> without a count')
  const news = (h - (acknowledged % SM_MODULUS) + SM_MODULUS) % SM_MODULUS
  if (news <= sent - acknowledged) return goOn({ kind: 'acknowledged', count: news })
  return {
    kind: 'stream-error',
    error: { condition: 'undefined-condition', text: undefined, application: handledTooHighElement(h, sent) },
    detail: `the peer says that it has handled ${h} stanzas of ${sent}`,
  }
}

const breach = (condition: StreamErrorInfo['condition'], detail: string): Managed => ({
  kind: 'stream-error',
  error: { condition, text: detail },
  detail,
})

const outOfPlace = (element: XmlElement): Managed => ({
  kind: 'stream-error',
  error: { condition: 'unsupported-stanza-type', text: undefined },
  detail: `<${localNameOf(element)}/> of stream management out of place`,
})
