import type { Failure, StanzaCondition, StanzaErrorType } from '@stox/kernel'
import type { XmlElement } from '@stox/xml'
import type { Stanza } from './stanza.ts'

export interface StanzaErrorInfo {
  readonly type: StanzaErrorType
  readonly condition: StanzaCondition
  readonly text: string | undefined
  /** The URI in `gone` or `redirect`. */
  readonly alternate: string | undefined
}

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

export declare function stanzaErrorElement(info: StanzaErrorInfo): XmlElement
/** The stanza's `<error/>` child; an unknown condition reads as `undefined-condition`. @see RFC 6120 §8.3.2 */
export declare function parseStanzaError(stanza: XmlElement): StanzaErrorInfo | undefined
/** Undefined when the stanza is itself an error or a result: never an error to an error. @see RFC 6120 §8.3.1 */
export declare function errorReply(
  stanza: Stanza,
  failure: Pick<Failure, 'condition' | 'errorType' | 'text' | 'alternate'>,
): Stanza | undefined
