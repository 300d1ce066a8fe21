import type { Result } from '@stox/kernel'
import type { SipGrammarFailure } from './grammar.ts'
import type { SipHeaders } from './headers.ts'

/** One entry of a Route or Record-Route. `value` is the text as it came, to be sent back unchanged. */
export interface RouteEntry {
  readonly value: string
  /** The URI as written. */
  readonly uri: string
  /** Has `;lr`. */
  readonly loose: boolean
}

export declare function parseRoutes(
  headers: SipHeaders,
  name: 'Route' | 'Record-Route',
): Result<readonly RouteEntry[], SipGrammarFailure>
/** The Request-URI and Route values of a request within a dialog. @see RFC 3261 §12.2.1.1 */
export declare function routeRequest(
  routeSet: readonly RouteEntry[],
  remoteTarget: string,
): { readonly uri: string; readonly routes: readonly string[]; /** The URI to locate. */ readonly nextHop: string }
