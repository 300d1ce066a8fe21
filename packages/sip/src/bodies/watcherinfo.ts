import { fail, ok } from '@stox/kernel'
import type { Result } from '@stox/kernel'
import { attrOf, childrenOf, el, isElement, parseXmlDocument, serializeXml, textOf } from '@stox/xml'
import type { XmlElement } from '@stox/xml'

/** @see RFC 3857 §4.7.1 */
export const WATCHER_STATUSES = ['pending', 'active', 'waiting', 'terminated'] as const
export type WatcherStatus = (typeof WATCHER_STATUSES)[number]

/** Somebody's interest in a resource. */
export interface Watcher {
  /** Of this subscription, the same in every document of a list. */
  readonly id: string
  /** As written: a URI. */
  readonly uri: string
  readonly status: WatcherStatus
  /** What made the status so: `subscribe`, `approved`, `timeout`, ... */
  readonly event: string
  readonly displayName: string | undefined
  /** Seconds until the subscription ends. */
  readonly expirationS: number | undefined
}

export interface WatcherList {
  readonly resource: string
  /** The event package that is watched: `presence`. */
  readonly eventPackage: string
  readonly watchers: readonly Watcher[]
}

export interface WatcherInfo {
  readonly version: number
  /** A partial document has only the watchers that have changed. */
  readonly state: 'full' | 'partial'
  readonly lists: readonly WatcherList[]
}

export interface WatcherInfoFailure {
  readonly kind: 'watcherinfo'
  readonly detail: string
}

export const WATCHERINFO_TYPE = 'application/watcherinfo+xml'

const WATCHERINFO_NS = 'urn:ietf:params:xml:ns:watcherinfo'
/** A resource with more watchers than this is no user's. */
const MOST_WATCHERS = 2000
const LONGEST_TEXT = 1024

/** Elements and attributes of others are skipped. @see RFC 3858 §3 */
export function parseWatcherInfo(body: Uint8Array | string): Result<WatcherInfo, WatcherInfoFailure> {
  const document = parseXmlDocument(body)
  if (!document.ok) return refused(document.failure.detail)
  const root = document.value
  if (!isElement(root, 'watcherinfo', WATCHERINFO_NS)) return refused('the root is no watcherinfo element')
  const version = count(attrOf(root, 'version'))
  if (version === undefined) return refused(`version is no number: ${attrOf(root, 'version') ?? 'missing'}`)
  const state = attrOf(root, 'state')
  if (state !== 'full' && state !== 'partial')
    return refused(`state is neither full nor partial: ${state ?? 'missing'}`)

  const lists: WatcherList[] = []
  let watchers = 0
  for (const child of childrenOf(root)) {
    if (!isElement(child, 'watcher-list', WATCHERINFO_NS)) continue
    const list = readList(child)
    if (!list.ok) return list
    watchers += list.value.watchers.length
    if (watchers > MOST_WATCHERS) return refused(`more than ${MOST_WATCHERS} watchers`)
    lists.push(list.value)
  }
  return ok({ version, state, lists })
}

function readList(list: XmlElement): Result<WatcherList, WatcherInfoFailure> {
  const resource = attrOf(list, 'resource')
  const eventPackage = attrOf(list, 'package')
  if (resource === undefined || eventPackage === undefined) return refused('a watcher-list without resource or package')
  const watchers: Watcher[] = []
  for (const child of childrenOf(list)) {
    if (!isElement(child, 'watcher', WATCHERINFO_NS)) continue
    const watcher = readWatcher(child)
    if (!watcher.ok) return watcher
    watchers.push(watcher.value)
  }
  return ok({ resource, eventPackage, watchers })
}

function readWatcher(watcher: XmlElement): Result<Watcher, WatcherInfoFailure> {
  const id = attrOf(watcher, 'id') ?? ''
  const uri = textOf(watcher).trim()
  const event = attrOf(watcher, 'event') ?? ''
  const named = attrOf(watcher, 'status') ?? ''
  const status = WATCHER_STATUSES.find((one) => one === named)
  if (id === '' || uri === '' || event === '') return refused('a watcher without id, event or URI')
  if (id.length > LONGEST_TEXT || uri.length > LONGEST_TEXT) return refused('a watcher with an endless id or URI')
  if (status === undefined) return refused(`a watcher with the status ${named === '' ? '(none)' : named.slice(0, 40)}`)
  return ok({
    id,
    uri,
    status,
    event,
    displayName: attrOf(watcher, 'display-name'),
    expirationS: count(attrOf(watcher, 'expiration')),
  })
}

const count = (text: string | undefined): number | undefined =>
  text !== undefined && /^\s*\d{1,15}\s*$/.test(text) ? Number(text) : undefined

const refused = (detail: string): Result<never, WatcherInfoFailure> => fail({ kind: 'watcherinfo', detail })

export function formatWatcherInfo({ version, state, lists }: WatcherInfo): string {
  const root = el(
    'watcherinfo',
    { xmlns: WATCHERINFO_NS, version: String(version), state },
    ...lists.map(({ resource, eventPackage, watchers }) =>
      el('watcher-list', { resource, package: eventPackage }, ...watchers.map(watcherElement)),
    ),
  )
  return `<?xml version="1.0" encoding="UTF-8"?>\n${serializeXml(root)}`
}

const watcherElement = ({ id, uri, status, event, displayName, expirationS }: Watcher): XmlElement =>
  el(
    'watcher',
    {
      id,
      status,
      event,
      'display-name': displayName,
      expiration: expirationS === undefined ? undefined : String(expirationS),
    },
    uri,
  )
