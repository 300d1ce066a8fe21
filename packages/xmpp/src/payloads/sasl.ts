import type { Result } from '@stox/kernel'
import type { XmlElement } from '@stox/xml'

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

export declare function isSasl(element: XmlElement): boolean
/** The failure is the condition to answer with. */
export declare function parseSasl(element: XmlElement): Result<SaslElement, { readonly condition: SaslCondition }>
export declare function formatSaslAuth(mechanism: string, initial: string | undefined): string
export declare function formatSaslChallenge(): string
export declare function formatSaslResponse(text: string | undefined): string
export declare function formatSaslAbort(): string
export declare function formatSaslSuccess(): string
export declare function formatSaslFailure(condition: SaslCondition, text?: string): string
