import { fail, ok } from '@stox/kernel'
import type { Result } from '@stox/kernel'
import { attrOf, childrenOf, el, localNameOf, namespaceOf, serializeXml, textOf } from '@stox/xml'
import type { XmlElement } from '@stox/xml'
import { base64OfText, textOfBase64 } from '../base64.ts'
import { NS_SASL } from '../namespaces.ts'

/** @see RFC 6120 §6.5 */
export const SASL_CONDITIONS = [
  'aborted',
  'account-disabled',
  'credentials-expired',
  'encryption-required',
  'incorrect-encoding',
  'invalid-authzid',
  'invalid-mechanism',
  'malformed-request',
  'mechanism-too-weak',
  'not-authorized',
  'temporary-auth-failure',
] as const
export type SaslCondition = (typeof SASL_CONDITIONS)[number]

export type SaslElement =
  /** `initial` is what stood in base64: undefined when there was nothing, '' when it was a single `=`. */
  | { readonly kind: 'auth'; readonly mechanism: string; readonly initial: string | undefined }
  | { readonly kind: 'challenge' }
  | { readonly kind: 'response'; readonly text: string | undefined }
  | { readonly kind: 'abort' }
  | { readonly kind: 'success' }
  | { readonly kind: 'failure'; readonly condition: SaslCondition; readonly text: string | undefined }

const CONDITIONS: ReadonlySet<string> = new Set(SASL_CONDITIONS)

export const isSasl = (element: XmlElement): boolean => namespaceOf(element) === NS_SASL

const refused = (condition: SaslCondition): Result<never, { readonly condition: SaslCondition }> => fail({ condition })

/** The failure is the condition to answer with. */
export function parseSasl(element: XmlElement): Result<SaslElement, { readonly condition: SaslCondition }> {
  if (!isSasl(element)) return refused('malformed-request')
  const kind = localNameOf(element)
  switch (kind) {
    case 'auth': {
      const mechanism = attrOf(element, 'mechanism')
      if (!mechanism) return refused('invalid-mechanism')
      const initial = decoded(element)
      return initial === null ? refused('incorrect-encoding') : ok({ kind, mechanism, initial })
    }
    case 'response': {
      const text = decoded(element)
      return text === null ? refused('incorrect-encoding') : ok({ kind, text })
    }
    case 'challenge':
    case 'abort':
    case 'success':
      return ok({ kind })
    case 'failure': {
      const children = childrenOf(element)
      const name = children.map(localNameOf).find((other) => CONDITIONS.has(other)) as SaslCondition | undefined
      const text = children.find((child) => localNameOf(child) === 'text')
      // An unknown condition is a refusal like any other.
      return ok({ kind, condition: name ?? 'not-authorized', text: text === undefined ? undefined : textOf(text) })
    }
    default:
      return refused('malformed-request')
  }
}

/** `=` stands for empty data, nothing for none; null when it is not base64. @see RFC 6120 §6.4.2 */
function decoded(element: XmlElement): string | undefined | null {
  const text = textOf(element)
  if (text === '') return undefined
  return text === '=' ? '' : (textOfBase64(text) ?? null)
}

const encoded = (text: string | undefined): string[] => {
  if (text === undefined) return []
  return [text === '' ? '=' : base64OfText(text)]
}

const format = (name: string, ...content: readonly (XmlElement | string)[]): string =>
  serializeXml(el(name, { xmlns: NS_SASL }, ...content))

export const formatSaslAuth = (mechanism: string, initial: string | undefined): string =>
  serializeXml(el('auth', { xmlns: NS_SASL, mechanism }, ...encoded(initial)))
export const formatSaslChallenge = (): string => format('challenge')
export const formatSaslResponse = (text: string | undefined): string => format('response', ...encoded(text))
export const formatSaslAbort = (): string => format('abort')
export const formatSaslSuccess = (): string => format('success')
export const formatSaslFailure = (condition: SaslCondition, text?: string): string =>
  format('failure', el(condition), ...(text === undefined ? [] : [el('text', { 'xml:lang': 'en' }, text)]))
