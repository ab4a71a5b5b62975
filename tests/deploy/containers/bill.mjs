// The bill of materials of an image: valid SPDX 2.3, and nothing is in the image that it does not name.
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { check, checkEqual, sourceDir } from '../../e2e/words.mjs'
import { version } from './engine.mjs'
import { filesIn, isElf } from './contents.mjs'

const packages = createRequire(path.join(sourceDir, 'tests/deploy/package.json'))
const parseExpression = packages('spdx-expression-parse')
const ID = /^SPDXRef-[A-Za-z0-9.-]+$/
// What SPDX 2.3 asks of each part (https://spdx.github.io/spdx-spec/v2.3/).
const REQUIRED = {
  document: ['spdxVersion', 'dataLicense', 'SPDXID', 'name', 'documentNamespace', 'creationInfo'],
  package: ['SPDXID', 'name', 'downloadLocation', 'versionInfo', 'licenseDeclared', 'licenseConcluded', 'copyrightText'],
  file: ['SPDXID', 'fileName', 'checksums', 'licenseConcluded', 'copyrightText'],
  quoted: ['licenseId', 'extractedText', 'name']
}
const RELATIONSHIPS = new Set(['DESCRIBES', 'CONTAINS', 'STATIC_LINK'])
// Debian says of these in prose what they are licensed under; no machine can read it.
const IN_PROSE_SHARE_MAX = 0.4

function checkPart (kind, part) {
  for (const field of REQUIRED[kind]) check(part[field] !== undefined && part[field] !== '', `bill of materials: ${kind} ${JSON.stringify(part).slice(0, 120)} has no ${field}`)
}

function checkExpression (bill, owner, text) {
  if (text === 'NOASSERTION') return
  const references = new Set(bill.hasExtractedLicensingInfos.map((one) => one.licenseId))
  const visit = (node) => {
    if (node.left) return visit(node.left), visit(node.right)
    if (node.license.startsWith('LicenseRef-')) check(references.has(node.license), `${owner}: ${node.license} is quoted nowhere`)
  }
  visit(parseExpression(text))
}

function checkDocument (target, bill) {
  checkPart('document', bill)
  checkEqual(`${target}: SPDX version`, [bill.spdxVersion, bill.dataLicense, bill.SPDXID], ['SPDX-2.3', 'CC0-1.0', 'SPDXRef-DOCUMENT'])
  check(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(bill.creationInfo.created) && bill.creationInfo.creators.length > 0, `${target}: creationInfo`)
  check(bill.creationInfo.creators.every((creator) => /^(Tool|Organization|Person): \S/.test(creator)), `${target}: creators`)
  check(new URL(bill.documentNamespace).hash === '', `${target}: a namespace has no #`)
  const ids = new Set(['SPDXRef-DOCUMENT'])
  for (const [kind, list] of [['package', bill.packages], ['file', bill.files], ['quoted', bill.hasExtractedLicensingInfos]]) {
    for (const part of list) {
      checkPart(kind, part)
      if (kind === 'quoted') continue
      check(ID.test(part.SPDXID) && !ids.has(part.SPDXID), `${target}: the id ${part.SPDXID} is malformed or not its own`)
      ids.add(part.SPDXID)
      checkExpression(bill, part.name, part.licenseDeclared ?? 'NOASSERTION')
    }
  }
  for (const { spdxElementId, relationshipType, relatedSpdxElement } of bill.relationships) {
    check(ids.has(spdxElementId) && ids.has(relatedSpdxElement) && RELATIONSHIPS.has(relationshipType), `${target}: ${spdxElementId} ${relationshipType} ${relatedSpdxElement}`)
  }
  for (const one of bill.packages) check(one.SPDXID === 'SPDXRef-image' || one.externalRefs.every(({ referenceLocator }) => /^pkg:(deb|npm)\/\S+@\S+$/.test(referenceLocator)), `${target}: ${one.name} has no purl`)
}

// Every program and library of the image is a file of the bill, with its hash, and belongs to a package of it.
function checkFiles (target, root, bill) {
  const listed = new Map(bill.files.map((file) => [file.fileName, file]))
  const owners = new Map()
  for (const { spdxElementId, relationshipType, relatedSpdxElement } of bill.relationships) {
    if (relationshipType === 'CONTAINS') owners.set(relatedSpdxElement, spdxElementId)
  }
  let libraries = 0
  for (const { name, here, entry } of filesIn(root)) {
    if (!entry.isFile() || !isElf(here)) continue
    if (name.includes('/node_modules/')) continue // a package of npm, see below
    const file = listed.get(`.${name}`)
    check(file, `${target}: the bill of materials does not list ${name}`)
    const sha256 = createHash('sha256').update(fs.readFileSync(here)).digest('hex')
    checkEqual(`${target}: the hash of ${name}`, file.checksums.find(({ algorithm }) => algorithm === 'SHA256').checksumValue, sha256)
    const owner = owners.get(file.SPDXID)
    check(owner === 'SPDXRef-image' ? /^\/usr\/bin\//.test(name) : owner?.startsWith('SPDXRef-deb-'), `${target}: ${name} belongs to ${owner}`)
    libraries++
  }
  check(libraries >= 5, `${target}: only ${libraries} programs and libraries`)
  return libraries
}

function checkDebian (target, root, bill) {
  const debian = bill.packages.filter(({ externalRefs }) => externalRefs?.[0].referenceLocator.startsWith('pkg:deb/'))
  const installed = debian.filter(({ supplier }) => supplier)
  const status = path.join(root, 'var/lib/dpkg/status.d')
  checkEqual(`${target}: packages known to scanners`, fs.readdirSync(status).sort(), installed.map(({ name }) => name).sort())
  for (const { name, versionInfo } of installed) {
    check(fs.readFileSync(path.join(status, name), 'utf8').includes(`\nVersion: ${versionInfo}\n`), `${target}: the version of ${name}`)
  }
  for (const { name } of debian) check(fs.statSync(path.join(root, 'usr/share/doc', name, 'copyright')).size > 100, `${target}: no licence of ${name}`)
  const unsaid = debian.filter(({ licenseDeclared }) => licenseDeclared === 'NOASSERTION')
  check(unsaid.length <= debian.length * IN_PROSE_SHARE_MAX, `${target}: no licence is said of ${unsaid.map(({ name }) => name)}`)
  check(debian.some(({ name }) => name === 'libc6'), `${target}: no libc6`)
  return debian.length
}

function checkModules (target, root, bill) {
  const modules = path.join(root, 'usr/lib/hypercore-nixos/swarm/node_modules')
  const said = new Set(bill.packages.filter(({ SPDXID }) => SPDXID.startsWith('SPDXRef-npm-')).map(({ name, versionInfo }) => `${name}@${versionInfo}`))
  const there = new Set()
  for (const { here, entry } of filesIn(modules)) {
    if (entry.name !== 'package.json' || !/node_modules\/(@[^/]+\/)?[^/]+\/package\.json$/.test(here)) continue
    const { name, version: its } = JSON.parse(fs.readFileSync(here, 'utf8'))
    there.add(`${name}@${its}`)
  }
  checkEqual(`${target}: Node.js packages`, [...said].sort(), [...there].sort())
  check(there.has(`hyperswarm@${JSON.parse(fs.readFileSync(path.join(sourceDir, 'swarm/package.json'), 'utf8')).dependencies.hyperswarm}`), 'no hyperswarm')
  return there.size
}

export function checkBill (target, root) {
  const folder = path.join(root, 'usr/share/sbom')
  checkEqual(`${target}: bills of materials`, fs.readdirSync(folder), [`hypercore-nixos-${target}.spdx.json`])
  const bill = JSON.parse(fs.readFileSync(path.join(folder, fs.readdirSync(folder)[0]), 'utf8'))
  checkDocument(target, bill)
  checkEqual(`${target}: what the bill is of`, [bill.packages[0].name, bill.packages[0].versionInfo], [`hypercore-nixos-${target}`, version])
  const files = checkFiles(target, root, bill)
  const debian = checkDebian(target, root, bill)
  const modules = target === 'swarm' ? checkModules(target, root, bill) : 0
  console.log(`bill of materials: ${files} programs and libraries, ${debian} packages of Debian, ${modules} of npm`)
}
