import { STANZA_CONDITIONS, fail, ok } from '@stox/kernel'
import type { Result, StanzaCondition } from '@stox/kernel'
import { attrOf, childrenOf, el, localNameOf, namespaceOf, serializeXml, textOf } from '@stox/xml'
import type { XmlElement } from '@stox/xml'
import { parseDomain } from '../domain.ts'
import type { DomainName } from '../domain.ts'
import { NS_DIALBACK, NS_STANZA_ERRORS } from '../namespaces.ts'

/** Conditions of dialback errors: those of stanzas, and one of streams. @see XEP-0220 §2.5 */
export type DialbackCondition = StanzaCondition | 'remote-connection-failed'
export type DialbackVerdict =
  | { readonly type: 'valid' }
  | { readonly type: 'invalid' }
  | { readonly type: 'error'; readonly condition: DialbackCondition; readonly text: string | undefined }

interface DialbackBase {
  readonly from: DomainName
  readonly to: DomainName
}
/** @see XEP-0220 §2.1, §2.3 */
export type Dialback =
  | (DialbackBase & { readonly kind: 'result-request'; readonly key: string })
  | (DialbackBase & { readonly kind: 'result-answer'; readonly verdict: DialbackVerdict })
  | (DialbackBase & { readonly kind: 'verify-request'; readonly id: string; readonly key: string })
  | (DialbackBase & { readonly kind: 'verify-answer'; readonly id: string; readonly verdict: DialbackVerdict })

export interface DialbackFailure {
  readonly condition: 'improper-addressing' | 'invalid-xml'
  readonly detail: string
}

const CONDITIONS: ReadonlySet<string> = new Set<DialbackCondition>([...STANZA_CONDITIONS, 'remote-connection-failed'])

export const isDialback = (element: XmlElement): boolean => namespaceOf(element) === NS_DIALBACK

/** `db:result` and `db:verify`, asked or answered. */
export function parseDialback(element: XmlElement): Result<Dialback, DialbackFailure> {
  const name = localNameOf(element)
  if (!isDialback(element) || (name !== 'result' && name !== 'verify')) return refused('invalid-xml', 'no such element')
  const from = parseDomain(attrOf(element, 'from') ?? '')
  const to = parseDomain(attrOf(element, 'to') ?? '')
  if (!from.ok || !to.ok) return refused('improper-addressing', 'from or to is no domain')
  const addresses = { from: from.value, to: to.value }
  const id = attrOf(element, 'id')
  if (name === 'verify' && !id) return refused('invalid-xml', 'a verification without the id of a stream')
  const type = attrOf(element, 'type')
  if (type !== undefined) {
    const verdict = verdictOf(element, type)
    if (verdict === undefined) return refused('invalid-xml', 'a verdict of an unknown type')
    if (name === 'result') return ok({ kind: 'result-answer', ...addresses, verdict })
    return ok({ kind: 'verify-answer', ...addresses, id: id!, verdict })
  }
  const key = textOf(element).trim()
  if (key === '') return refused('invalid-xml', 'no key')
  if (name === 'result') return ok({ kind: 'result-request', ...addresses, key })
  return ok({ kind: 'verify-request', ...addresses, id: id!, key })
}

/** With the literal prefix `db`, declared on the element too: the header may have left it out. */
export function formatDialback(dialback: Dialback): string {
  const { from, to } = dialback
  const isResult = dialback.kind === 'result-request' || dialback.kind === 'result-answer'
  const id = isResult ? undefined : dialback.id
  const type = 'verdict' in dialback ? dialback.verdict.type : undefined
  const content = 'verdict' in dialback ? errorOf(dialback.verdict) : [dialback.key]
  const name = isResult ? 'db:result' : 'db:verify'
  return serializeXml(el(name, { 'xmlns:db': NS_DIALBACK, from, to, id, type }, ...content))
}

const refused = (condition: DialbackFailure['condition'], detail: string): Result<never, DialbackFailure> =>
  fail({ condition, detail })

/** Of an error whose condition cannot be told, the type is enough. @see XEP-0220 §2.5 */
function verdictOf(element: XmlElement, type: string): DialbackVerdict | undefined {
  if (type === 'valid' || type === 'invalid') return { type }
  if (type !== 'error') return undefined
  const error = childrenOf(element).find((child) => localNameOf(child) === 'error')
  const defined =
    error === undefined ? [] : childrenOf(error).filter((child) => namespaceOf(child) === NS_STANZA_ERRORS)
  const name = defined.map(localNameOf).find((other) => other !== 'text') ?? ''
  const text = defined.find((child) => localNameOf(child) === 'text')
  return {
    type,
    condition: CONDITIONS.has(name) ? (name as DialbackCondition) : 'undefined-condition',
    text: text === undefined ? undefined : textOf(text),
  }
}

function errorOf(verdict: DialbackVerdict): XmlElement[] {
  if (verdict.type !== 'error') return []
  const text =
    verdict.text === undefined ? [] : [el('text', { xmlns: NS_STANZA_ERRORS, 'xml:lang': 'en' }, verdict.text)]
  return [el('error', { type: 'cancel' }, el(verdict.condition, { xmlns: NS_STANZA_ERRORS }), ...text)]
}
