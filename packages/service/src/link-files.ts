import { TlsIdentity, type LinkTls } from '@stox/transport'
import type { ConfigProblem } from './config-file.ts'
import { isCertificate, textOf } from './files.ts'

/** Names of the PEM files of one end of the link. */
export interface LinkFiles {
  readonly cert: string
  readonly key: string
  readonly ca: string
}

/** What the files hold, and what is wrong with it: the key must be that of the certificate, and all three what they say. */
export function readLinkFiles(
  files: LinkFiles,
  whose: 'edge' | 'gateway',
): { readonly tls: LinkTls; readonly problems: readonly ConfigProblem[] } {
  const tls: LinkTls = { cert: textOf(files.cert), key: textOf(files.key), ca: textOf(files.ca) }
  const problems: ConfigProblem[] = []
  const ours = TlsIdentity.of([{ domains: [], ...tls }])
  for (const { field, problem } of ours.ok ? [] : ours.failure) {
    const file = field === 'domains' ? files.cert : files[field]
    const hint = `the certificate of this ${whose} and its key`
    problems.push({ path: `link.${field}`, problem: `${file}: ${problem}`, hint })
  }
  if (!isCertificate(tls.ca)) {
    problems.push({ path: 'link.ca', problem: `${files.ca}: not a certificate`, hint: 'the inside CA in PEM form' })
  }
  return { tls, problems }
}
