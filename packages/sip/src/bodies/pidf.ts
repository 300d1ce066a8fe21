import { fail, ok, type Result } from '@stox/kernel'
import {
  attrOf,
  childOf,
  childrenOf,
  el,
  isElement,
  localNameOf,
  namespaceOf,
  parseXmlDocument,
  serializeXml,
  textOf,
  type XmlElement,
} from '@stox/xml'

export interface PidfNote {
  readonly lang: string | undefined
  readonly text: string
}

export type PidfShow = 'away' | 'chat' | 'dnd' | 'xa'

export interface PidfTuple {
  readonly id: string
  readonly basic: 'open' | 'closed' | undefined
  /** The `show` element of RFC 8048 §4.2 inside `status`. */
  readonly show: PidfShow | undefined
  /** The text of an `extended` status, as some servers write it: `away`, `busy`, `offline`, `available`. */
  readonly extended?: string
  readonly contact: string | undefined
  /** 0 to 1. */
  readonly contactPriority: number | undefined
  readonly notes: readonly PidfNote[]
  /** As written. */
  readonly timestamp: string | undefined
  /** RPID activities, lower case, those whose `from`/`until` exclude the given time left out. @see RFC 4480 §3.2 */
  readonly activities: readonly string[]
  /** RPID user-input idle. @see RFC 4480 §3.14 */
  readonly idle: boolean
  /** As written, where it says so: since when. */
  readonly idleSince?: string
  /** RPID relationship, left out for `self`: a tuple with one speaks of someone else. @see RFC 4480 §3.9 */
  readonly relationship?: string
}

export interface PidfPerson {
  readonly activities: readonly string[]
  readonly notes: readonly PidfNote[]
  readonly idle: boolean
  readonly idleSince?: string
}

export interface Pidf {
  /** As written: a `pres:` URI. */
  readonly entity: string
  readonly tuples: readonly PidfTuple[]
  readonly person: PidfPerson | undefined
  readonly notes: readonly PidfNote[]
}

export interface PidfFailure {
  readonly kind: 'pidf'
  readonly detail: string
}

export const PIDF_TYPE = 'application/pidf+xml'

const PIDF_NS = 'urn:ietf:params:xml:ns:pidf'
const DATA_MODEL_NS = 'urn:ietf:params:xml:ns:pidf:data-model'
const RPID_NS = 'urn:ietf:params:xml:ns:pidf:rpid'
const JABBER_NS = 'jabber:client'

/** `nowMs` (wall clock) decides on activities that are limited in time; without it they all count. */
export function parsePidf(body: Uint8Array | string, nowMs?: number): Result<Pidf, PidfFailure> {
  const document = parseXmlDocument(body)
  if (!document.ok) return fail({ kind: 'pidf', detail: document.failure.detail })
  const root = document.value
  if (!isElement(root, 'presence', PIDF_NS))
    return fail({ kind: 'pidf', detail: 'the root is no presence element of PIDF' })
  const lang = attrOf(root, 'xml:lang')
  const person = childOf(root, 'person', DATA_MODEL_NS)
  return ok({
    entity: attrOf(root, 'entity') ?? '',
    tuples: childrenOf(root)
      .filter((child) => isElement(child, 'tuple', PIDF_NS))
      .map((tuple, index) => readTuple(tuple, index, lang, nowMs)),
    person: person === undefined ? undefined : readPerson(person, lang, nowMs),
    notes: readNotes(root, lang),
  })
}

function readTuple(
  tuple: XmlElement,
  index: number,
  outerLang: string | undefined,
  nowMs: number | undefined,
): PidfTuple {
  const lang = attrOf(tuple, 'xml:lang') ?? outerLang
  const status = childOf(tuple, 'status', PIDF_NS)
  const basic = status === undefined ? '' : textIn(status, 'basic', PIDF_NS)
  const contact = childOf(tuple, 'contact', PIDF_NS)
  const extended = status && childrenOf(status).find((child) => localNameOf(child) === 'extended')
  const relationship = relationshipOf(tuple)
  return {
    id: attrOf(tuple, 'id') ?? `tuple-${index + 1}`,
    basic: basic === 'open' || basic === 'closed' ? basic : undefined,
    show: showIn(status) ?? showIn(tuple),
    ...(extended === undefined ? {} : { extended: textOf(extended).trim().toLowerCase() }),
    contact: contact === undefined ? undefined : textOf(contact).trim() || undefined,
    contactPriority: contact === undefined ? undefined : readPriority(attrOf(contact, 'priority')),
    notes: readNotes(tuple, lang),
    timestamp: textIn(tuple, 'timestamp', PIDF_NS) || textIn(tuple, 'timestamp', DATA_MODEL_NS) || undefined,
    activities: [tuple, status].flatMap((place) => (place === undefined ? [] : readActivities(place, nowMs))),
    ...readIdle(status === undefined ? [tuple] : [tuple, status]),
    ...(relationship === undefined ? {} : { relationship }),
  }
}

function readPerson(person: XmlElement, outerLang: string | undefined, nowMs: number | undefined): PidfPerson {
  const lang = attrOf(person, 'xml:lang') ?? outerLang
  const inActivities = childrenOf(person)
    .filter((child) => isRpid(child, 'activities'))
    .flatMap((activities) => readNotes(activities, lang))
  return {
    activities: readActivities(person, nowMs),
    notes: [...readNotes(person, lang), ...inActivities],
    ...readIdle([person]),
  }
}

const textIn = (parent: XmlElement, name: string, namespace: string): string => {
  const child = childOf(parent, name, namespace)
  return child === undefined ? '' : textOf(child).trim()
}

/** COMPAT: drafts of RFC 4480 had other endings of the same namespace, and some senders still write them. */
const isRpid = (element: XmlElement, name: string): boolean =>
  localNameOf(element) === name && isRpidNamespace(namespaceOf(element))
const isRpidNamespace = (namespace: string): boolean =>
  namespace === RPID_NS || (namespace.startsWith(`${PIDF_NS}:`) && namespace.includes('rpid'))

/** Notes of any of the three documents: PIDF's own, the data model's, RPID's. */
const readNotes = (parent: XmlElement, outerLang: string | undefined): PidfNote[] =>
  childrenOf(parent)
    .filter((child) => localNameOf(child) === 'note' && namespaceOf(child).startsWith(PIDF_NS))
    .map((note) => ({ lang: attrOf(note, 'xml:lang') ?? outerLang, text: textOf(note) }))

const SHOWS: readonly string[] = ['away', 'chat', 'dnd', 'xa'] satisfies readonly PidfShow[]

function showIn(parent: XmlElement | undefined): PidfShow | undefined {
  const show = parent === undefined ? '' : textIn(parent, 'show', JABBER_NS)
  return SHOWS.includes(show) ? (show as PidfShow) : undefined
}

/** @see RFC 3863 §4.1.5 */
function readPriority(text: string | undefined): number | undefined {
  return text !== undefined && /^\s*(0(\.\d*)?|1(\.0*)?)\s*$/.test(text) ? Number(text) : undefined
}

function readActivities(parent: XmlElement, nowMs: number | undefined): string[] {
  return childrenOf(parent)
    .filter((child) => isRpid(child, 'activities') && isCurrent(child, nowMs))
    .flatMap((activities) => childrenOf(activities))
    .filter((activity) => localNameOf(activity) !== 'note' && isCurrent(activity, nowMs))
    .map((activity) => localNameOf(activity).toLowerCase())
}

/** @see RFC 4480 §3.1: `from` and `until` limit an element in time. */
function isCurrent(element: XmlElement, nowMs: number | undefined): boolean {
  if (nowMs === undefined) return true
  const from = Date.parse(attrOf(element, 'from') ?? '')
  const until = Date.parse(attrOf(element, 'until') ?? '')
  return !(nowMs < from) && !(nowMs >= until)
}

function readIdle(places: readonly XmlElement[]): { readonly idle: boolean; readonly idleSince?: string } {
  const input = places
    .flatMap((place) => childrenOf(place))
    .find((child) => isRpid(child, 'user-input') && textOf(child).trim() === 'idle')
  const since = input === undefined ? undefined : attrOf(input, 'last-input')
  return { idle: input !== undefined, ...(since === undefined ? {} : { idleSince: since }) }
}

function relationshipOf(tuple: XmlElement): string | undefined {
  const relationship = childrenOf(tuple).find((child) => isRpid(child, 'relationship'))
  if (relationship === undefined) return undefined
  const named = childrenOf(relationship).find((child) => localNameOf(child) !== 'note')
  const name = named === undefined ? textOf(relationship).trim() : localNameOf(named)
  return name === '' || name === 'self' ? undefined : name
}

/** The order of elements is the schema's. @see RFC 3863 §4, RFC 4479 §6, RFC 8048 §4.2 */
export function formatPidf(pidf: Pidf): string {
  const root = el(
    'presence',
    { xmlns: PIDF_NS, 'xmlns:dm': DATA_MODEL_NS, 'xmlns:rpid': RPID_NS, entity: pidf.entity },
    ...pidf.tuples.map(tupleElement),
    ...pidf.notes.map((note) => noteElement('note', note)),
    ...(pidf.person === undefined ? [] : [personElement(pidf.person)]),
  )
  return `<?xml version="1.0" encoding="UTF-8"?>\n${serializeXml(root)}`
}

function tupleElement(tuple: PidfTuple): XmlElement {
  const status = el('status')
  if (tuple.basic !== undefined) status.cnode(el('basic', {}, tuple.basic))
  if (tuple.show !== undefined) status.cnode(el('show', { xmlns: JABBER_NS }, tuple.show))
  const relationship =
    tuple.relationship === undefined ? [] : [el('rpid:relationship', {}, el(`rpid:${tuple.relationship}`))]
  const priority =
    tuple.contactPriority === undefined ? undefined : String(Math.round(tuple.contactPriority * 1000) / 1000)
  return el(
    'tuple',
    { id: tuple.id },
    status,
    ...richElements(tuple),
    ...relationship,
    ...(tuple.contact === undefined ? [] : [el('contact', { priority }, tuple.contact)]),
    ...tuple.notes.map((note) => noteElement('note', note)),
    ...(tuple.timestamp === undefined ? [] : [el('timestamp', {}, tuple.timestamp)]),
  )
}

const personElement = (person: PidfPerson): XmlElement =>
  el('dm:person', { id: 'P1' }, ...richElements(person), ...person.notes.map((note) => noteElement('dm:note', note)))

const noteElement = (name: string, note: PidfNote): XmlElement => el(name, { 'xml:lang': note.lang }, note.text)

function richElements(rich: Pick<PidfPerson, 'activities' | 'idle' | 'idleSince'>): XmlElement[] {
  const elements: XmlElement[] = []
  if (rich.activities.length > 0) {
    elements.push(el('rpid:activities', {}, ...rich.activities.map((activity) => el(`rpid:${activity}`))))
  }
  if (rich.idle) elements.push(el('rpid:user-input', { 'last-input': rich.idleSince }, 'idle'))
  return elements
}
