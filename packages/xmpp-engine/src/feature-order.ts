import type { Method } from '@stox/federation'
import type { StreamFeatures } from '@stox/xmpp'
import type { StreamRules } from './rules.ts'

/** SASL EXTERNAL has its place in the order (after TLS, before dialback) and is not built yet. */
const BUILT: ReadonlySet<Method> = new Set<Method>(['dialback-over-tls', 'dialback-over-tcp'])

const builtMethods = (rules: StreamRules): readonly Method[] => rules.methods.filter((method) => BUILT.has(method))

/** Why there is nothing to try under these rules; undefined: there is something. */
export function whyNoMethod(rules: StreamRules): string | undefined {
  if (builtMethods(rules).length > 0) return undefined
  return rules.methods.includes('sasl-external-over-tls')
    ? 'SASL EXTERNAL is not built yet, and the partner record allows no other method'
    : 'the partner record allows no method'
}

/** May a peer use dialback on a stream like this one? What proves itself in the clear may do so encrypted too. */
export const allowsDialback = (rules: StreamRules, encrypted: boolean): boolean =>
  builtMethods(rules).some((method) => encrypted || method === 'dialback-over-tcp')

/** What we offer on an inbound stream. `rules` are undefined when its header did not say who comes. @see mapping F.3 */
export function featuresFor(rules: StreamRules | undefined, encrypted: boolean, canEncrypt: boolean): StreamFeatures {
  const tls = rules?.tls ?? 'optional'
  return {
    startTls: encrypted || !canEncrypt || tls === 'notSupported' ? undefined : tls,
    mechanisms: [],
    dialback: rules === undefined || allowsDialback(rules, encrypted) ? { errors: true } : undefined,
  }
}

export type NextStep =
  { readonly kind: 'starttls' } | { readonly kind: 'dialback' } | { readonly kind: 'nothing'; readonly detail: string }

/** What we do next on an outbound stream. `features` are undefined on a stream from before 1.0. @see mapping F.2 */
export function chooseNext(rules: StreamRules, features: StreamFeatures | undefined, encrypted: boolean): NextStep {
  const nothing = whyNoMethod(rules)
  if (nothing !== undefined) return { kind: 'nothing', detail: nothing }
  if (!encrypted) {
    if (features !== undefined && rules.tls !== 'notSupported') {
      // Not offered is no reason not to try where we need it: the offer may have been stripped. @see RFC 7590 §3.1
      // DEVIATION: where TLS is optional and plain dialback allowed, a missing offer is taken as said.
      if (features.startTls !== undefined || rules.tls === 'required') return { kind: 'starttls' }
    }
    if (rules.tls === 'required') return { kind: 'nothing', detail: 'TLS is required and the peer speaks no XMPP 1.0' }
    if (features?.startTls === 'required') {
      return { kind: 'nothing', detail: 'the peer requires TLS and the partner record says it is not supported' }
    }
  }
  // The offer of dialback is advisory: old servers do it without saying so.
  if (allowsDialback(rules, encrypted)) return { kind: 'dialback' }
  return { kind: 'nothing', detail: 'the partner record allows dialback over TLS only, and the peer offers no TLS' }
}
