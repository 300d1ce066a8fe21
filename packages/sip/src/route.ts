import { ok, type Result } from '@stox/kernel'
import { grammarFailure, type SipGrammarFailure } from './grammar.ts'
import type { SipHeaders } from './headers.ts'
import { parseNameAddr } from './name-addr.ts'
import { formatSipUri, parseSipUri } from './uri.ts'

/** One entry of a Route or Record-Route. `value` is the text as it came, to be sent back unchanged. */
export interface RouteEntry {
  readonly value: string
  readonly uri: string
  /** Has `;lr`: the hop leaves the Request-URI alone. */
  readonly loose: boolean
}

/**
 * The route entries of a message, topmost first. A notifier (and whoever receives the request that makes the dialog)
 * keeps this order as its route set, a subscriber that takes it from a response turns it round. @see RFC 3261 §12.1
 */
export function parseRoutes(
  headers: SipHeaders,
  name: 'Route' | 'Record-Route',
): Result<readonly RouteEntry[], SipGrammarFailure> {
  const entries: RouteEntry[] = []
  for (const value of headers.list(name)) {
    const parsed = parseNameAddr(value)
    if (!parsed.ok) return parsed
    if (parsed.value.uri.opaque !== undefined) return grammarFailure(`a ${name} that is no SIP URI`)
    entries.push({
      value,
      uri: formatSipUri(parsed.value.uri),
      loose: parsed.value.uri.params.has('lr'),
    })
  }
  return ok(entries)
}

export interface RoutedRequest {
  readonly uri: string
  /** The values of the Route fields. */
  readonly routes: readonly string[]
  /** The URI to locate: where the request is sent to. */
  readonly nextHop: string
}

/** The Request-URI and Route values of a request within a dialog. @see RFC 3261 §12.2.1.1 */
export function routeRequest(routeSet: readonly RouteEntry[], remoteTarget: string): RoutedRequest {
  const [first, ...rest] = routeSet
  if (first === undefined) return { uri: remoteTarget, routes: [], nextHop: remoteTarget }
  if (first.loose) return { uri: remoteTarget, routes: routeSet.map(({ value }) => value), nextHop: first.uri }
  // A strict router wants itself in the Request-URI, and the target last.
  const uri = asRequestUri(first.uri)
  return { uri, routes: [...rest.map(({ value }) => value), `<${remoteTarget}>`], nextHop: uri }
}

/** Without what a Request-URI may not have. @see RFC 3261 §19.1.1, table 1 */
function asRequestUri(text: string): string {
  const parsed = parseSipUri(text)
  if (!parsed.ok) return text
  const params = new Map(parsed.value.params)
  params.delete('method')
  return formatSipUri({ ...parsed.value, params, headers: undefined })
}
