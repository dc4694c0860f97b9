import { testRecord } from "./_record.ts";
import { FIGURES } from "./_record_plans.ts";

testRecord("plans", FIGURES);
