import { STANZA_CONDITIONS } from '@stox/kernel'
import type { Failure, StanzaCondition, StanzaErrorType } from '@stox/kernel'
import { childOf, childrenOf, el, localNameOf, namespaceOf, textOf } from '@stox/xml'
import type { XmlElement } from '@stox/xml'
import { NS_SERVER, NS_STANZA_ERRORS } from './namespaces.ts'
import type { Stanza, StanzaErrorInfo, StanzaHead } from './stanza.ts'

/** The usual type of each condition. @see RFC 6120 §8.3.3 */
export const ERROR_TYPE_OF: Readonly<Record<StanzaCondition, StanzaErrorType>> = {
  'bad-request': 'modify',
  conflict: 'cancel',
  'feature-not-implemented': 'cancel',
  forbidden: 'auth',
  gone: 'cancel',
  'internal-server-error': 'cancel',
  'item-not-found': 'cancel',
  'jid-malformed': 'modify',
  'not-acceptable': 'modify',
  'not-allowed': 'cancel',
  'not-authorized': 'auth',
  'policy-violation': 'modify',
  'recipient-unavailable': 'wait',
  redirect: 'modify',
  'registration-required': 'auth',
  'remote-server-not-found': 'cancel',
  'remote-server-timeout': 'wait',
  'resource-constraint': 'wait',
  'service-unavailable': 'cancel',
  'subscription-required': 'auth',
  'undefined-condition': 'cancel',
  'unexpected-request': 'wait',
}

const ERROR_TYPES: ReadonlySet<string> = new Set<StanzaErrorType>(['auth', 'cancel', 'continue', 'modify', 'wait'])
const CONDITIONS: ReadonlySet<string> = new Set(STANZA_CONDITIONS)

/** @see RFC 6120 §8.3.2 */
export function stanzaErrorElement(info: StanzaErrorInfo): XmlElement {
  const hasAlternate = info.condition === 'gone' || info.condition === 'redirect'
  const alternate = hasAlternate && info.alternate !== undefined ? [info.alternate] : []
  const text = info.text === undefined ? [] : [el('text', { xmlns: NS_STANZA_ERRORS, 'xml:lang': 'en' }, info.text)]
  return el('error', { type: info.type }, el(info.condition, { xmlns: NS_STANZA_ERRORS }, ...alternate), ...text)
}

/** The stanza's `<error/>` child; an unknown condition reads as `undefined-condition`. @see RFC 6120 §8.3.2 */
export function parseStanzaError(stanza: XmlElement): StanzaErrorInfo | undefined {
  const error = childOf(stanza, 'error', NS_SERVER)
  if (error === undefined) return undefined
  const defined = childrenOf(error).filter((child) => namespaceOf(child) === NS_STANZA_ERRORS)
  const first = defined.find((child) => localNameOf(child) !== 'text')
  const name = first === undefined ? '' : localNameOf(first)
  const condition = CONDITIONS.has(name) ? (name as StanzaCondition) : 'undefined-condition'
  const text = defined.find((child) => localNameOf(child) === 'text')
  const type = String(error.attrs.type)
  const hasAlternate = first !== undefined && (condition === 'gone' || condition === 'redirect')
  return {
    type: ERROR_TYPES.has(type) ? (type as StanzaErrorType) : ERROR_TYPE_OF[condition],
    condition,
    text: text === undefined ? undefined : textOf(text),
    alternate: hasAlternate ? textOf(first).trim() || undefined : undefined,
  }
}

/**
 * From the one to whom the stanza went to the one whence it came, with its id.
 * Undefined when the stanza is itself an error or a result: never an error to an error. @see RFC 6120 §8.3.1
 */
export function errorReply(
  stanza: StanzaHead,
  failure: Pick<Failure, 'condition' | 'errorType' | 'text' | 'alternate'>,
): Stanza | undefined {
  if (stanza.type === 'error' || stanza.type === 'result') return undefined
  const error: StanzaErrorInfo = {
    type: failure.errorType ?? ERROR_TYPE_OF[failure.condition],
    condition: failure.condition,
    text: failure.text,
    alternate: failure.alternate,
  }
  const element = el(stanza.kind, { xmlns: NS_SERVER }, stanzaErrorElement(error))
  const common = { from: stanza.to, to: stanza.from, lang: undefined, type: 'error', element, error } as const
  switch (stanza.kind) {
    case 'message':
      return { ...common, kind: 'message', id: stanza.id, bodies: [], subject: undefined, thread: undefined }
    case 'presence':
      return { ...common, kind: 'presence', id: stanza.id, show: undefined, statuses: [], priority: 0 }
    case 'iq':
      return { ...common, kind: 'iq', id: stanza.id ?? '', payload: undefined }
  }
}
