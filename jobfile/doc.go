// Package jobfile reads and writes job files: definitions of jobs in YAML or JSON, to keep under version control and
// to put all at once. A file is one of
//
//	jobs:                 # a list under the key "jobs"; other keys begin with "x-" and hold what anchors share
//	  - id: digest
//	    schedule: cron 0 9 * * MON-FRI Asia/Seoul
//	    payload: {region: kr}
//
// or such a list by itself, or one job by itself. The fields are those of [core.Job] in its JSON form.
//
// [Decode] reports everything that is wrong with a file at once, each with its line. [Encode] writes what Decode reads
// back as the same definitions. [Diff] says what putting them would change.
//
// # Payloads
//
// A payload is any value. It becomes JSON in one form: compact, keys in the order of the file, numbers as written,
// strings escaped as encoding/json does. So a file put twice changes nothing the second time, and neither does a file
// that was exported. Bytes that are no JSON are written {"$base64": "..."}.
package jobfile
