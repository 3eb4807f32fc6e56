// Writes a file of TypeScript for each schema: node to_typescript.cjs <folder of schemas> <folder to write to>
const fs = require("fs");
const path = require("path");
const { avroToTypeScript } = require("avro-typescript");

const [from, to] = process.argv.slice(2);
for (const file of fs.readdirSync(from)) {
  const schema = JSON.parse(fs.readFileSync(path.join(from, file), "utf8"));
  fs.writeFileSync(path.join(to, file.replace(/\.avsc$/, ".ts")), avroToTypeScript(schema, {}));
}
