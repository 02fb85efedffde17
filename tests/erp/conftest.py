"""What an ERP sends, in the words of the published reference."""

import pytest


@pytest.fixture
async def hall(floor):
    """The floor, with the cell of the reference's example."""
    await floor.make("/api-cells", {"name": "Laser Cell 1", "sequence": 5})
    return floor


@pytest.fixture
def nested():
    """The reference's own nested example, as it stands."""
    return {
        "external_id": "ERP-JOB-001",
        "external_source": "sap",
        "job_number": "JOB-2024-001",
        "customer_name": "Acme Corp",
        "due_date": "2024-02-15",
        "parts": [
            {
                "external_id": "ERP-PART-001",
                "part_number": "BRACKET-A1",
                "material": "Steel 304",
                "quantity": 50,
                "operations": [
                    {
                        "external_id": "ERP-OP-001",
                        "operation_name": "Laser Cutting",
                        "sequence": 1,
                        "cell_name": "Laser Cell 1",
                        "estimated_time_minutes": 30,
                    }
                ],
            }
        ],
    }
