// The Worker's script of the sample's engine.
import { serve } from "lowrank/worker";

serve();
