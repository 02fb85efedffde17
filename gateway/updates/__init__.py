"""An update of this box: tried on a copy, begun, then confirmed or rolled back, with everything that was booked meanwhile."""
