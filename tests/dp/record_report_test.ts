import { testRecord } from "./_record.ts";
import { FIGURES } from "./_record_report.ts";

testRecord("report", FIGURES);
