// Holds a part of GitHub's GraphQL schema against the one that GitHub publishes. The simulator validates the program's
// queries, and types its own answers, by that part; so both are valid by GitHub's schema if this finds nothing.
//
// usage: check-graphql FILE

import { readFileSync } from "node:fs";
import { buildSchema, findBreakingChanges, isInputObjectType, isInterfaceType, isObjectType } from "graphql";
import { schema } from "@octokit/graphql-schema";

const file = process.argv[2];
const part = buildSchema(readFileSync(file, "utf8"));
// GitHub publishes some fields twice.
const whole = buildSchema(schema.idl, { assumeValid: true, assumeValidSDL: true });

// What would break for a client that moves from the part to the whole: types, fields, arguments, members and values that
// are missing, and arguments that are required.
const faults = findBreakingChanges(part, whole).map(({ description }) => description);

// An answer may be less often null than a client expects, but not more often.
for (const type of Object.values(part.getTypeMap())) {
  const other = whole.getType(type.name);
  if (!other || !(isObjectType(type) || isInterfaceType(type) || isInputObjectType(type))) continue;
  for (const field of Object.values(type.getFields())) {
    const published = other.getFields()[field.name];
    if (published && String(published.type) !== String(field.type)) {
      faults.push(`${type.name}.${field.name} has the type ${field.type}, and GitHub's has ${published.type}.`);
    }
  }
}

for (const fault of new Set(faults)) console.log(`${file}: ${fault}`);
process.exit(faults.length > 0 ? 1 : 0);
