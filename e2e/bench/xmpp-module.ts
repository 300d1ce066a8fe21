import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const WITHIN = 'kamailio/modules/xmpp.so'

/** `cmpb $0,(%rsi)`: is the name that this points to empty? */
const IS_EMPTY = Buffer.from([0x80, 0x3e, 0x00])
/** `test %rsi,%rsi`: does this point to anything? */
const IS_NONE = Buffer.from([0x48, 0x85, 0xf6])
/** Where the loop is entered and where it comes around, in each of its two inlined copies. */
const SITES = [/\x48\x8b\x33\x80\x3e\x00\x74.\x31\xed/gs, /\x48\x8b\x34[\xcb\xd3]\x80\x3e\x00\x75\xe0/gs] as const
/** Both copies are in the same function. */
const SITES_WITHIN_BYTES = 0x200

/**
 * A copy of Kamailio's module `xmpp` that survives its first XML element, as Debian 12 ships it (5.6.3, x86-64) it does not:
 * since 5.2.0 `_xode_put_expatattribs` asks `while (*(atts[i]) != '\0')` of a list that ends with NULL, and each process
 * that reads a start tag dies (Kamailio issue 4154). The copy asks `while (atts[i] != NULL)`, which is three other bytes
 * at four places. A file that is not that build is refused; the installed one is never touched.
 */
export function patchedXmppModule(to: string): string {
  const lib = readdirSync('/usr/lib').map((arch) => join('/usr/lib', arch, WITHIN))
  const found = lib.map(readable).find((bytes) => bytes !== undefined)
  if (found === undefined) throw new Error(`no ${WITHIN} below /usr/lib`)
  const text = found.toString('latin1')
  const places = SITES.flatMap((site) => {
    const hits = [...text.matchAll(site)].map((hit) => hit.index + hit[0].indexOf(IS_EMPTY.toString('latin1')))
    if (hits.length !== 2)
      throw new Error(`${WITHIN} is not the known build: ${site} is there ${hits.length} times, not 2`)
    return hits
  })
  if (Math.max(...places) - Math.min(...places) > SITES_WITHIN_BYTES)
    throw new Error(`${WITHIN} is not the known build: the places are too far apart`)
  for (const place of places) IS_NONE.copy(found, place)
  writeFileSync(to, found)
  return to
}

function readable(path: string): Buffer | undefined {
  try {
    return readFileSync(path)
  } catch {
    return undefined
  }
}
